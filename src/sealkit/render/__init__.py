"""One module a format, each a function from a report to text. A renderer never decides."""
