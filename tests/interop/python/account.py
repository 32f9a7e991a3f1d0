"""The simulated account behind the server: its request counts, faults to inject, and images for EXEC."""

import itertools
import json
import urllib.parse
import urllib.request

import pytest

import page

# Regions for the transfers of test_pydo.py and the prism suite.
LEFT_TO_OTHERS = {"lon1", "tor1"}


class Account:
    def __init__(self, url):
        self.url = url
        self._transfers = None
        self._backups = None

    def requests(self):
        """The number of requests received."""
        return self._requests()["total"]

    def posts(self):
        """The number of POSTs executed."""
        return self._requests()["posts"]

    def sent(self):
        """The number of POSTs received."""
        return sum(count for path, count in self._requests()["by_path"].items() if path.startswith("POST "))

    def inject(self, *faults):
        self._ask("/_demo/faults", "POST", "\n".join(faults).encode())

    def clear_faults(self):
        self._ask("/_demo/faults", "DELETE")

    def transfer(self):
        """An image, and a region to which it can be transferred; each pair is returned once."""
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
        """An image, and a region that it is already in, so that a transfer is rejected."""
        return next((image["id"], region) for image in self._own("snapshot", "custom") for region in image["regions"])

    def backup(self):
        """A backup to convert; each is returned once. From the last, because other suites use the first."""
        if self._backups is None:
            self._backups = [image["id"] for image in self._own("backup")]
        if len(self._backups) <= 2:
            pytest.fail("the account has no backup left but those for test_pydo.py and the prism suite")
        return self._backups.pop()

    def rows(self, path, **parameters):
        """All rows of a list, and the number of its pages."""
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
        # Any token is accepted.
        headers = {"authorization": "Bearer dop_v1_tests"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
