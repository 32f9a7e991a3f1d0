"""The simulated account behind the server: what it was sent, what goes wrong with it, and what it can be told to do."""

import itertools
import json
import urllib.parse
import urllib.request

import pytest

import page

# Where test_pydo.py and the prism suite can transfer whatever they find.
LEFT_TO_OTHERS = {"lon1", "tor1"}


class Account:
    def __init__(self, url):
        self.url = url
        self._transfers = None
        self._backups = None

    def requests(self):
        """How many requests came in, ever."""
        return self._requests()["total"]

    def posts(self):
        """How many POSTs were carried out, ever."""
        return self._requests()["posts"]

    def sent(self):
        """How many POSTs came in, ever."""
        return sum(count for path, count in self._requests()["by_path"].items() if path.startswith("POST "))

    def inject(self, *faults):
        self._ask("/_demo/faults", "POST", "\n".join(faults).encode())

    def clear_faults(self):
        self._ask("/_demo/faults", "DELETE")

    def transfer(self):
        """An image, and a region to which it can be transferred; none comes twice."""
        if self._transfers is None:
            images = self._own("snapshot", "custom")
            self._transfers = [
                (image["id"], region)
                for region in self._regions()
                for image in images
                if region not in image["regions"]
            ]
        if not self._transfers:
            pytest.fail("the account has no image and region left that no test has transferred")
        return self._transfers.pop(0)

    def refused_transfer(self):
        """An image, and a region in which it is already."""
        return next((image["id"], region) for image in self._own("snapshot", "custom") for region in image["regions"])

    def backup(self):
        """A backup, to be converted; none comes twice. Others take the first, so this takes the last."""
        if self._backups is None:
            self._backups = [image["id"] for image in self._own("backup")]
        if len(self._backups) <= 2:
            pytest.fail("the account has no backup left but those for test_pydo.py and the prism suite")
        return self._backups.pop()

    def rows(self, path, **parameters):
        """Every row of a list, all pages of it, and how many those were."""
        key, rows = path.rpartition("/")[2], []
        for number in itertools.count(1):
            query = urllib.parse.urlencode({**parameters, "page": number, "per_page": 200})
            body = self._ask(f"/v2/{path}?{query}")
            rows += body[key]
            if len(rows) >= body["meta"]["total"]:
                return rows, number

    def _own(self, *types):
        images, _ = self.rows("images", private="true")
        return [
            image
            for image in images
            if image["type"] in types and image["status"] == "available" and image["id"] != page.IMAGE
        ]

    def _regions(self):
        regions = self._ask("/v2/regions?per_page=200")["regions"]
        return [region["slug"] for region in regions if region["available"] and region["slug"] not in LEFT_TO_OTHERS]

    def _requests(self):
        return self._ask("/_demo/requests")

    def _ask(self, path, method="GET", body=None):
        # Any token will do; one of its own has a rate limit of its own.
        headers = {"authorization": "Bearer dop_v1_tests"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
