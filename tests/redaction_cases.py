"""Sixty values of configs, commands and logs: which parts of them are secrets, and which only look like it.

Each case is (what it is, the value, the secrets in it). Where there are none the value must come out as it went in.
The fake secrets are put together from parts, so that scanners of this repository have nothing to find.
"""

from __future__ import annotations

from typing import Any

LETTERS = "q7RzT2mXw9LcV4bNk8HsJ3dFg6PyA5eUiQ1oW0tZ"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
GITHUB = "gh" + "p_" + LETTERS[:36]
FINE_GRAINED = "github" + "_pat_" + "11ABCDEFG0" + LETTERS[:12] + "_" + LETTERS + LETTERS[:19]
AWS_ID = "AK" + "IA" + "Q7RZT2MXW9LCV4BN"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCY" + "zq7RzT2mXw"
GOOGLE = "AI" + "za" + LETTERS[:35]
OPENAI = "s" + "k-proj-" + LETTERS + "_" + LETTERS[:20]
OPENAI_OLD = "s" + "k-" + LETTERS + LETTERS[:8]
ANTHROPIC = "s" + "k-ant-api03-" + LETTERS + "-" + LETTERS
HUGGING_FACE = "h" + "f_" + "qRzTmXwLcVbNkHsJdFgPyAeUiQoWtZqRzT"
SLACK = "xo" + "xb-" + "123456789012-1234567890123-" + LETTERS[:24]
SLACK_HOOK = "https://hooks.slack" + ".com/services/T0AB12CD3/B0AB12CD3/" + LETTERS[:24]
STRIPE = "s" + "k_live_" + LETTERS[:24]
GITLAB = "gl" + "pat-" + LETTERS[:20]
JWT = ".".join(["ey" + "JhbGciOiJIUzI1NiJ9", "ey" + "JzdWIiOiIxMjM0NTY3ODkwIn0", LETTERS + "abc"])
PEM_BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nVJTUt9Us8cKj\n"
PEM = "-----BEGIN " + "PRIVATE KEY-----\n" + PEM_BODY + "-----END " + "PRIVATE KEY-----"
PEM_RSA = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + PEM_BODY + "-----END RSA " + "PRIVATE KEY-----\n"
PASSWORD = "hunter" + "2-but-longer"
NETRC = "Tr0ub4dor" + "&3"

SECRET: list[tuple[str, Any, list[str]]] = [
    ("a GitHub token under an innocent key", {"note": GITHUB}, [GITHUB]),
    ("a fine-grained GitHub token in a sentence", {"note": f"use {FINE_GRAINED}, please"}, [FINE_GRAINED]),
    ("an AWS key id", {"id": AWS_ID}, [AWS_ID]),
    ("both halves of an AWS key", {"accessKey": AWS_ID, "secretKey": AWS_SECRET}, [AWS_ID, AWS_SECRET]),
    ("an AWS secret by its usual name", {"aws_secret_access_key": AWS_SECRET}, [AWS_SECRET]),
    ("a Google API key", {"endpoint": f"https://example.org/v1?q=1&key={GOOGLE}&page=2"}, [GOOGLE]),
    ("an OpenAI key", {"llm": {"key": OPENAI}}, [OPENAI]),
    ("an OpenAI key of the old form", {"llm": [OPENAI_OLD]}, [OPENAI_OLD]),
    ("an Anthropic key", {"judge": {"auth": ANTHROPIC}}, [ANTHROPIC]),
    ("a Hugging Face token in a nested list", {"a": [["x", [HUGGING_FACE]]]}, [HUGGING_FACE]),
    ("a Slack token", {"notify": SLACK}, [SLACK]),
    ("a Slack hook", {"notify": {"url": SLACK_HOOK}}, [SLACK_HOOK.rpartition("/")[2]]),
    ("a Stripe key", {"billing": STRIPE}, [STRIPE]),
    ("a GitLab token as user of a URL", {"repo": f"https://{GITLAB}@gitlab.com/x/y.git"}, [GITLAB]),
    ("a JWT", {"cookie": f"session={JWT}; path=/"}, [JWT]),
    ("a private key", {"deploy": PEM}, [PEM_BODY, PEM_BODY[:20]]),
    ("an RSA private key", {"files": {"id_rsa": PEM_RSA}}, [PEM_BODY, PEM_BODY[-13:-1]]),
    ("a W&B key, which looks like a commit", {"env": {"WANDB_API_KEY": HEX}}, [HEX]),
    ("a W&B key as an assignment", {"command": ["env", f"WANDB_API_KEY={HEX}", "python"]}, [HEX]),
    ("an option with its value", {"command": ["python", "train.py", f"--api-key={LETTERS}"]}, [LETTERS]),
    ("an option before its value", {"command": ["python", "train.py", "--api-key", LETTERS, "-v"]}, [LETTERS]),
    ("an option within one line of shell", {"run": f"train --lr 1e-3 --auth-token {LETTERS} --out x"}, [LETTERS]),
    ("the user of a URL", {"db": "postgres://" + "u:p@h/db"}, ["u:p"]),
    ("the user of a URL, percent-encoded", {"db": "postgresql+psycopg://al%40ice:p%40ss%2Fw0rd@db.example.org:5432/x"}, ["p%40ss%2Fw0rd"]),
    ("a URL within a URL, percent-encoded", {"proxy": "http://p.example.org/?to=https%3A%2F%2Fbob%3As3cr3t%40h.org%2Fx&a=b"}, ["s3cr3t"]),
    ("a bearer header", {"headers": {"X-Auth": f"Bearer {LETTERS}"}}, [LETTERS]),
    ("a connection string", {"storage": f"Server=db;User Id=sa;Password={NETRC};AccountKey={AWS_SECRET}==;Timeout=5"}, [NETRC, AWS_SECRET]),
    ("a short password", {"mail": {"smtp_password": "abc"}}, ["abc"]),
    ("passwords in a list under their name", {"passwords": [PASSWORD, {"second": NETRC}]}, [PASSWORD, NETRC]),
    ("a log line in JSON", f'{{"time": "2026-01-01", "client_secret": "{LETTERS}", "step": 3}}', [LETTERS]),
]  # fmt: skip

OPEN: list[tuple[str, Any]] = [
    ("use_cls_token", {"use_cls_token": True, "cls_token": "[CLS]"}),
    ("num_memory_tokens", {"num_memory_tokens": 16, "memory_token": "first"}),
    ("tokenizer", {"tokenizer": "bert-base-uncased", "tokenizer_class": "BertTokenizerFast"}),
    ("max_tokens", {"max_tokens": 4096, "max_new_tokens": "512"}),
    ("secret_length", {"secret_length": 32, "password_min_length": 8}),
    ("key", {"key": "value of a key", "keys": ["a", "b"]}),
    ("keyboard", {"keyboard": "qwerty-de", "monkey": "bananas"}),
    ("sort_key", {"sort_key": "created_at", "primary_key": "doc_id", "foreign_key": "query_id"}),
    ("special tokens", {"pad_token": "<pad>", "eos_token": "</s>", "mask_token": "<mask>", "unk_token": "[UNK]"}),
    ("pooling by token", {"pooling": {"token": "last", "token_type_ids": "0"}}),
    ("a git commit", {"commit": HEX, "revision": f"refs/heads/main@{HEX}"}),
    ("sha256 digests", {"digest": f"sha256:{HEX}{HEX[:24]}", "weights": f"{HEX}{HEX[:24]}"}),
    ("a UUID", {"run_id": "123e4567-e89b-42d3-a456-426614174000"}),
    ("a base64 vector", {"vector": "AACAPwAAAEAAAEBAAACAQAAAoEAAAMBAAADgQAAAAEEAABBBAAAgQQ=="}),
    ("model names", {"models": ["sentence-transformers/all-MiniLM-L6-v2", "hf-internal-testing/tiny-random-bert", "sk-learn-style-name-of-something-long"]}),
    ("file paths", {"path": "/home/user/.cache/huggingface/token", "private_key_path": "/etc/ssl/private.pem"}),
    ("an e-mail address", {"owner": "jane.doe@example.org", "remote": "git@github.com:org/repo.git"}),
    ("a value of the environment", {"api_key": "${ENV:OPENAI_API_KEY}", "url": "https://u:${ENV:PW}@h.org/x"}),
    ("a name in the environment", {"api_key_env": "OPENAI_API_KEY", "token": "$HF_TOKEN", "password": "${DB_PASSWORD}"}),
    ("no secret at all", {"password": None, "token": "", "secret": False, "api_key": "null"}),
    ("what was redacted already", {"password": "[redacted]", "token": "[redacted:github-token:0123456789abcdef]", "secret": "********"}),
    ("a URL without a user", {"url": "https://example.org:8443/a/b?x=1#y@z", "index": "file:///tmp/a:b@c"}),
    ("a user without a password", {"git": "ssh://git@github.com/org/repo.git", "host": "ssh://root@node1:22/x"}),
    ("a placeholder for the reader", {"token": "<your-token>", "api_key": "YOUR_API_KEY", "password": "{{ password }}"}),
    ("a public key", {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIq7RzT2mXw9LcV4bNk8HsJ3dFg6PyA5eUiQ1oW0tZ", "key_encoder": "bert"}),
    ("a bearer of news", {"text": "The bearer of understandable news; basic understanding required."}),
    ("a sentence about passwords", "The password: must be eight characters. Your token: see the settings page."),
    ("a command without secrets", {"command": ["python", "train.py", "--max-tokens=128", "--sort-key", "date", "--tokenizer", "x"]}),
    ("metric keys and times", {"retrieval/test/nDCG@10": 0.5, "time": "2026-01-31T12:00:00Z", "per_token": "0.25"}),
    ("code that handles secrets", "password = getpass.getpass(); token = request.headers.get('X-Token'); api_key=None"),
]  # fmt: skip
