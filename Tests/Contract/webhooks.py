"""Looks at messages as a receiver does that uses the library of Standard Webhooks.

Reads a JSON array of {"secret", "headers", "body"} from the file that is named, and prints a JSON array of what comes of each: "taken", or why not.
"""

import base64
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def judge(message):
    try:
        Webhook(message["secret"]).verify(base64.b64decode(message["body"]), message["headers"])
        return "taken"
    except WebhookVerificationError as error:
        return str(error)


with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps([judge(message) for message in json.load(file)]))
