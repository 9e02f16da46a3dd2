"""`python -m bench.plain_mails PORT COUNT BYTES`: so many plain mails of that size over one connection."""

import smtplib
import sys

LINE = 76


def main(port: str, count: str, size: str) -> None:
    lines = "\r\n".join(["x" * LINE] * (int(size) // (LINE + 2)))
    content = f"From: a@unimore.it\r\nTo: b@unimore.it\r\nSubject: plain\r\n\r\n{lines}\r\n"
    with smtplib.SMTP("127.0.0.1", int(port)) as client:
        for number in range(int(count)):
            client.sendmail("", [f"p{number}@unimore.it"], content)


if __name__ == "__main__":
    main(*sys.argv[1:])
