"""What a payment provider says."""

import hashlib
import hmac
import json
import time

from tests.club import Person
from tests.conftest import PAYMENT_SECRET


def signed_callback(person: Person, amount: str, transaction: str) -> str:
    """The body of a callback that credits a person, signed as the provider signs it."""
    fields = {
        "amount": amount,
        "status": "success",
        "timestamp": str(int(time.time())),
        "transactionId": transaction,
        "userId": str(person.id),
    }
    text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    signature = hmac.new(PAYMENT_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    return (
        f'{{"amount": {amount}, "status": "success", "timestamp": {fields["timestamp"]},'
        f' "transactionId": {json.dumps(transaction)}, "userId": {person.id},'
        f' "signature": "{signature}"}}'
    )
