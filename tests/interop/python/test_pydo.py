"""pydo, DigitalOcean's client, against the simulated account without a server: it must behave like the API."""

import urllib.parse

import pydo
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

import page

# The simulated account has no TLS; pydo sends a token over plain HTTP only if each call allows it.
HTTP = {"enforce_https": False}


@pytest.fixture(scope="module")
def client(demo):
    # Any token is accepted.
    with pydo.Client("dop_v1_pydo", endpoint=demo) as client:
        yield client


def every(ask, key, **arguments):
    """The rows of all pages, following `next`."""
    rows, number = [], 1
    while number is not None:
        body = ask(page=number, **arguments)
        rows += body[key]
        following = body.get("links", {}).get("pages", {}).get("next")
        number = following and int(urllib.parse.parse_qs(urllib.parse.urlsplit(following).query)["page"][0])
    assert len(rows) == body["meta"]["total"]
    return rows


def images(client, **arguments):
    return every(lambda **keywords: client.images.list(**keywords, **HTTP), "images", **arguments)


def actions(client, image):
    # pydo has no parameter for the page of an action list.
    def ask(page, per_page):
        return client.image_actions.list(image, params={"page": page, "per_page": per_page}, **HTTP)

    return every(ask, "actions", per_page=200)


def own(client, type, nth):
    found = [image for image in images(client, private=True, per_page=200) if image["type"] == type]
    found = [image for image in found if image["id"] != page.IMAGE]
    assert found, f"the account has no {type} of its own"
    return found[nth % len(found)]


class TestImages:
    @pytest.mark.parametrize("per_page", [7, 200])
    def test_the_pages_are_the_whole_list(self, client, per_page):
        ids = [image["id"] for image in images(client, per_page=per_page)]

        assert len(set(ids)) == len(ids)
        assert page.IMAGE in ids

    def test_private_images_are_the_accounts_own(self, client):
        assert not any(image["public"] for image in images(client, private=True, per_page=200))

    def test_an_image_by_its_id(self, client):
        image = client.images.get(page.IMAGE, **HTTP)["image"]

        assert image["id"] == page.IMAGE
        assert image in images(client, per_page=200)

    def test_an_image_by_its_slug(self, client):
        public = next(image for image in images(client, per_page=200) if image.get("slug"))

        assert client.images.get(public["slug"], **HTTP)["image"] == public


class TestImageActions:
    def test_the_first_page_has_20_rows(self, client):
        body = client.image_actions.list(page.IMAGE, **HTTP)

        assert len(body["actions"]) == 20
        assert body["meta"]["total"] == page.ACTIONS
        assert set(body["links"]["pages"]) == {"next", "last"}

    def test_the_pages_are_the_whole_list(self, client):
        ids = [action["id"] for action in actions(client, page.IMAGE)]

        assert len(set(ids)) == page.ACTIONS
        assert page.ACTION in ids

    def test_an_action_by_its_id(self, client):
        action = client.image_actions.get(page.IMAGE, page.ACTION, **HTTP)["action"]

        assert action["id"] == page.ACTION
        assert action in actions(client, page.IMAGE)

    def test_a_transfer_is_there_afterwards(self, client):
        snapshot = own(client, "snapshot", nth=-1)
        region = next(slug for slug in ("ams3", "fra1", "lon1", "sgp1") if slug not in snapshot["regions"])

        action = client.image_actions.post(snapshot["id"], {"type": "transfer", "region": region}, **HTTP)["action"]

        assert action["type"] == "transfer"
        assert action["status"] == "in-progress"
        assert action["id"] in [each["id"] for each in actions(client, snapshot["id"])]
        assert client.image_actions.get(snapshot["id"], action["id"], **HTTP)["action"]["id"] == action["id"]

    def test_a_backup_is_converted(self, client):
        backup = own(client, "backup", nth=0)

        action = client.image_actions.post(backup["id"], {"type": "convert"}, **HTTP)["action"]

        assert action["type"] == "convert"
        assert action["id"] in [each["id"] for each in actions(client, backup["id"])]


class TestErrors:
    @pytest.mark.parametrize(
        "ask",
        [
            lambda client: client.images.get(7, **HTTP),
            lambda client: client.image_actions.list(7, **HTTP),
            lambda client: client.image_actions.get(page.IMAGE, 7, **HTTP),
            lambda client: client.image_actions.post(7, {"type": "convert"}, **HTTP),
            lambda client: client.image_actions.post(page.IMAGE, {}, **HTTP),
        ],
        ids=["image", "actions", "action", "post to no image", "post without a type"],
    )
    def test_not_found_returns_its_body(self, client, ask):
        # pydo does not raise for a 404 that the OpenAPI document declares: it returns the error's body.
        body = ask(client)

        assert body["id"] == "not_found"
        assert body["message"]

    def test_an_empty_token_is_refused(self, demo):
        with pydo.Client("", endpoint=demo) as client:
            with pytest.raises(ClientAuthenticationError) as refused:
                client.images.list(**HTTP)

        assert refused.value.status_code == 401
        assert refused.value.response.json()["id"] == "unauthorized"

    def test_a_transfer_without_a_region_is_refused(self, client):
        with pytest.raises(HttpResponseError) as refused:
            client.image_actions.post(page.IMAGE, {"type": "transfer"}, **HTTP)

        assert refused.value.status_code == 422
        assert refused.value.response.json()["id"] == "unprocessable_entity"

    def test_every_response_has_the_rate_limits(self, client):
        headers = {}
        client.images.list(raw_response_hook=lambda response: headers.update(response.http_response.headers), **HTTP)

        names = {name.lower() for name in headers}
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= names
