from __future__ import annotations

import json
from pathlib import Path

import pytest

from projections.access_model import AccessModel
from schema.events import ClientSettings
from service.access.check import plan_document
from service.access.document import Document, read_document
from service.access.errors import AccessFileError
from service.access.plan import Wanted
from service.access.yaml_tree import SIZE_LIMIT
from tests.access.folding import USERS, fold

GOOD = f"""\
resources:
  - uri: {USERS}
    scopes: {{"read:users": Read users, "write:users": Write users}}
roles:
  - name: reader
    scopes: ["read:users"]
clients:
  - id: worker
    grants: [client_credentials]
    scopes: ["read:users"]
    roles: [reader]
    resources: [{USERS}]
    access_token_lifetime: 10m
    secret_file: worker
"""

EC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


def write(folder: Path, text: str | bytes) -> Path:
    """An access.yaml with that text."""
    path = folder / "access.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines_of(folder: Path, text: str | bytes, model: AccessModel | None = None, *, prune: bool = False) -> list[str]:
    """The mistakes of a file, without its folder."""
    with pytest.raises(AccessFileError) as told:
        plan_document(read_document(write(folder, text)), model or AccessModel(), prune=prune)
    assert all(line.count("\n") == 0 for line in told.value.lines)
    return [line.replace(f"{folder}/", "") for line in told.value.lines]


def read(folder: Path, text: str) -> Document:
    """A file without mistakes."""
    document = read_document(write(folder, text))
    assert document.mistakes == ()
    return document


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Every field arrives as it was written, with defaults where it was not."""
    document = read(tmp_path, GOOD)
    assert document.wanted == Wanted(
        {USERS: {"read:users": "Read users", "write:users": "Write users"}},
        {"reader": ("read:users",)},
        {
            "worker": ClientSettings(
                client_id="worker",
                auth_method="client_secret_basic",
                grants=("client_credentials",),
                scopes=("read:users",),
                roles=("reader",),
                resources=(USERS,),
                access_token_lifetime=600,
            )
        },
    )
    assert document.secret_files == {"worker": "worker"}


def test_the_example_has_no_mistake() -> None:
    """examples/access.yaml can be applied as it is."""
    document = read_document(Path(__file__).parents[2] / "examples" / "access.yaml")
    plan = plan_document(document, AccessModel(), prune=False)
    needing = [step.name for step in plan.steps if step.needs_secret]
    assert needing == ["billing-worker", "users-api", "payments-api", "auditor", "web-app"]


PEOPLES = """\
clients:
  - id: app
    client_name: Zoë's app
    grants: [authorization_code, refresh_token, device_code]
    scopes: [openid, profile, offline_access]
    redirect_uris: [https://app.example.com/callback]
    first_party: true
    refresh_rotation: false
    subject_type: pairwise
    post_logout_redirect_uris: [https://app.example.com/bye]
    backchannel_logout_uri: http://127.0.0.1:5000/logout
"""


def test_a_client_that_people_sign_in_at_is_read(tmp_path: Path) -> None:
    """Every field arrives as it was written; the device grant by its full name, as clients send it."""
    assert read(tmp_path, PEOPLES).wanted.clients == {
        "app": ClientSettings(
            client_id="app",
            auth_method="client_secret_basic",
            grants=("authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"),
            scopes=("openid", "profile", "offline_access"),
            redirect_uris=("https://app.example.com/callback",),
            client_name="Zoë's app",
            first_party=True,
            refresh_rotation=False,
            subject_type="pairwise",
            post_logout_redirect_uris=("https://app.example.com/bye",),
            backchannel_logout_uri="http://127.0.0.1:5000/logout",
        )
    }
    assert plan_document(read(tmp_path, PEOPLES), AccessModel(), prune=False).steps


def test_both_names_of_a_grant_are_one(tmp_path: Path) -> None:
    """A grant that is written by its short and its full name is there twice."""
    text = PEOPLES.replace("device_code", '"urn:ietf:params:oauth:grant-type:device_code", device_code')
    assert lines_of(tmp_path, text) == [
        'access.yaml:4: clients[0].grants[3]: "urn:ietf:params:oauth:grant-type:device_code" is there twice'
    ]


Case = tuple[str | bytes, list[str]]

UNREADABLE: dict[str, Case] = {
    "empty": ("", ["access.yaml:1: the file is empty; it needs resources, roles or clients"]),
    "only comments": ("# nothing\n", ["access.yaml:1: the file is empty; it needs resources, roles or clients"]),
    "tab": (
        "clients:\n\t- id: a\n",
        [
            (
                "access.yaml:2: not valid YAML: while scanning for the next token, found character '\\t' that cannot"
                " start any token (indent with spaces, not tabs)"
            )
        ],
    ),
    "unclosed": (
        "clients: [\n",
        [
            (
                "access.yaml:2: not valid YAML: while parsing a flow node, expected the node content,"
                " but found '<stream end>'"
            )
        ],
    ),
    "two documents": (
        "--- {}\n--- {}\n",
        ["access.yaml:2: not valid YAML: expected a single document in the stream, but found another document"],
    ),
    "unknown alias": ("clients: *who\n", ["access.yaml:1: not valid YAML: found undefined alias 'who'"]),
    "not UTF-8": (b"clients:\n- id: caf\xe9\n", ["access.yaml:2: not UTF-8 text (byte 0xe9)"]),
    "control character": ("clients:\n- id: a\x01b\n", ["access.yaml:2: not valid YAML: character U+0001"]),
    "too deep": ("[" * 5_000, ["access.yaml:1: nested too deeply"]),
    "too large": (b"#" * (SIZE_LIMIT + 1), ["access.yaml: larger than 1024 KiB"]),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    """A file that cannot be read as YAML gives one line that says where and why."""
    text, expected = UNREADABLE[name]
    assert lines_of(tmp_path, text) == expected


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A missing file and a folder give one line with the system's reason."""
    for path, reason in ((tmp_path / "none.yaml", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(AccessFileError) as told:
            read_document(path)
        assert told.value.lines == (f"{path}: {reason}",)


def test_aliases_are_bounded(tmp_path: Path) -> None:
    """A small file with aliases of aliases is refused, not expanded; a plain alias is followed."""
    scopes = ", ".join(f"s{number}" for number in range(1_000))
    bomb = f"roles:\n- &r {{name: r, scopes: &s [{scopes}]}}\n" + "- {name: r, scopes: *s}\n" * 500
    assert lines_of(tmp_path, bomb) == ["access.yaml:1: too many values, aliases counted at each use"]
    cyclic = "roles: &r [*r]\n"
    assert lines_of(tmp_path, cyclic) == ["access.yaml:1: roles[0]: expected fields, not a list"]
    shared = read(tmp_path, "roles:\n- {name: a, scopes: &s []}\n- {name: b, scopes: *s}\n")
    assert shared.wanted.roles == {"a": (), "b": ()}


STRUCTURE: dict[str, Case] = {
    "a list at the top": ("- a\n", ["access.yaml:1: expected fields, not a list"]),
    "unknown section": (
        "client:\n- id: a\n",
        ['access.yaml:1: client: unknown field — did you mean "clients"?'],
    ),
    "unknown field": (
        "clients:\n- id: a\n  scope: []\n  zzz: 1\n",
        [
            'access.yaml:3: clients[0].scope: unknown field — did you mean "scopes"?',
            "access.yaml:4: clients[0].zzz: unknown field",
        ],
    ),
    "a field twice": (
        "clients:\n- id: a\n  scopes: []\n  scopes: []\n",
        ["access.yaml:4: clients[0].scopes: there twice, first in line 3"],
    ),
    "an id twice": (
        "clients:\n- id: a\n- id: b\n- id: a\n",
        ['access.yaml:4: clients[2].id: "a" is there twice, first in line 2'],
    ),
    "no id": ("clients:\n- scopes: []\n", ["access.yaml:2: clients[0]: id is missing"]),
    "wrong types": (
        "clients:\n- id: 12\n  scopes: read\n  grants: [true]\n  roles:\n  resources: {a: b}\n",
        [
            "access.yaml:2: clients[0].id: expected text, not the number 12: put it in quotes",
            'access.yaml:3: clients[0].scopes: expected a list, not the text "read"',
            "access.yaml:4: clients[0].grants[0]: expected text, not true or false: put it in quotes",
            "access.yaml:5: clients[0].roles: expected a list, not nothing",
            "access.yaml:6: clients[0].resources: expected a list, not fields",
        ],
    ),
    "an object of Python": (
        "clients:\n- id: !!python/object:os.system a\n",
        [
            (
                'access.yaml:2: clients[0].id: expected text, not a value of the YAML type "python/object:os.system":'
                " put it in quotes"
            )
        ],
    ),
    "a description that is none": (
        f"resources:\n- uri: {USERS}\n  scopes:\n    read:\n",
        ["access.yaml:4: resources[0].scopes.read: expected text, not nothing"],
    ),
    "words of a list": (
        "clients:\n- id: a\n  auth_method: private_key_jwk\n  token_format: JWT\n",
        [
            (
                'access.yaml:3: clients[0].auth_method: "private_key_jwk" is none of client_secret_basic,'
                ' client_secret_post, private_key_jwt, none — did you mean "private_key_jwt"?'
            ),
            'access.yaml:4: clients[0].token_format: "JWT" is none of jwt, opaque',
        ],
    ),
    "durations": (
        (
            "clients:\n- {id: a, access_token_lifetime: 10 minutes}\n- {id: b, access_token_lifetime: 0}\n"
            "- {id: c, access_token_lifetime: 25h}\n- {id: d, access_token_lifetime: 1.5}\n"
        ),
        [
            (
                "access.yaml:2: clients[0].access_token_lifetime: expected seconds, or a number with s, m, h or d,"
                " such as 10m"
            ),
            "access.yaml:3: clients[1].access_token_lifetime: 0 s is not within 1 s and 86400 s (24h)",
            "access.yaml:4: clients[2].access_token_lifetime: 90000 s is not within 1 s and 86400 s (24h)",
            (
                "access.yaml:5: clients[3].access_token_lifetime: expected seconds, or a number with s, m, h or d,"
                " such as 10m"
            ),
            "access.yaml:5: clients[3].access_token_lifetime: expected text or a number, not the number 1.5",
        ],
    ),
    "flags": (
        (
            "clients:\n- {id: a, first_party: yes}\n- {id: b, first_party: 'true'}\n- {id: c, refresh_rotation: 0}\n"
            "- {id: d, refresh_rotation: }\n- {id: e, first_party: [true]}\n- {id: f, first_party: TRUE}\n"
        ),
        [
            'access.yaml:2: clients[0].first_party: expected true or false, not the text "yes"',
            'access.yaml:3: clients[1].first_party: expected true or false, not the text "true"',
            "access.yaml:4: clients[2].refresh_rotation: expected true or false, not the number 0",
            "access.yaml:5: clients[3].refresh_rotation: expected true or false, not nothing",
            "access.yaml:6: clients[4].first_party: expected true or false, not a list",
        ],
    ),
    "a subject type": (
        "clients:\n- {id: a, subject_type: pairwize}\n",
        [('access.yaml:2: clients[0].subject_type: "pairwize" is none of public, pairwise — did you mean "pairwise"?')],
    ),
    "control characters": (
        'clients:\n- id: "a\\n\\e[31m"\n',
        ['access.yaml:2: clients[0].id: "a\\n\\x1b[31m" must be 1 to 64 of A-Z a-z 0-9 _ - and not "_" alone'],
    ),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_each_mistake_of_structure_is_one_line(tmp_path: Path, name: str) -> None:
    """Unknown, repeated, missing and wrongly typed fields are all told, each with file, line and field."""
    text, expected = STRUCTURE[name]
    assert lines_of(tmp_path, text) == expected


REFERENCES: dict[str, Case] = {
    "a misspelt scope": (
        GOOD.replace('scopes: ["read:users"]\n    roles', 'scopes: ["write:users", "read:user"]\n    roles'),
        ['access.yaml:10: clients[0].scopes[1]: "read:user" is no scope of any resource — did you mean "read:users"?'],
    ),
    "an unknown role": (
        GOOD.replace("roles: [reader]", "roles: [readers]"),
        ['access.yaml:11: clients[0].roles[0]: "readers" is no role — did you mean "reader"?'],
    ),
    "an unknown resource": (
        GOOD.replace(f"resources: [{USERS}]", f"resources: [{USERS}, urn:other]"),
        ['access.yaml:12: clients[0].resources[1]: "urn:other" is no resource'],
    ),
    "a scope of a resource that the client has not": (
        GOOD.replace(f"resources: [{USERS}]", "resources: []"),
        [
            f'access.yaml:10: clients[0].scopes[0]: "read:users" is a scope of {USERS}, which the client has not',
        ],
    ),
    "a role with an unknown scope": (
        GOOD.replace('scopes: ["read:users"]\nclients', 'scopes: ["read:users", "pay"]\nclients'),
        ['access.yaml:6: roles[0].scopes[1]: "pay" is no scope of any resource'],
    ),
    "an unknown grant": (
        GOOD.replace("client_credentials", "client_credential"),
        [
            (
                'access.yaml:9: clients[0].grants[0]: "client_credential" is no grant of this server'
                ' — did you mean "client_credentials"?'
            )
        ],
    ),
    "a public client that may not": (
        GOOD.replace("id: worker", "id: worker\n    auth_method: none\n    introspects: [" + USERS + "]"),
        [
            (
                "access.yaml:10: clients[0].introspects: a public client (auth_method none) may not introspect"
                " (RFC 7662 section 2.1)"
            ),
            (
                "access.yaml:11: clients[0].grants[0]: a public client (auth_method none) may not use"
                " client_credentials (RFC 6749 section 4.4)"
            ),
            "access.yaml:16: clients[0].secret_file: auth_method none has no secret",
        ],
    ),
    "a misspelt grant of a device": (
        PEOPLES.replace("device_code", "device_cod"),
        [
            (
                'access.yaml:4: clients[0].grants[2]: "device_cod" is no grant of this server'
                ' — did you mean "device_code"?'
            )
        ],
    ),
    "a misspelt scope about the person": (
        PEOPLES.replace("openid", "opemid"),
        ['access.yaml:5: clients[0].scopes[0]: "opemid" is no scope of any resource — did you mean "openid"?'],
    ),
    "a client that people cannot sign in at": (
        GOOD.replace('scopes: ["read:users"]\n    roles', 'scopes: [openid, "read:users"]\n    roles'),
        [
            (
                'access.yaml:10: clients[0].scopes[0]: "openid" is about a person: it needs authorization_code or'
                " device_code"
            )
        ],
    ),
    "a scope about the person in a role and at a resource": (
        GOOD.replace('"write:users"', '"email"').replace('scopes: ["read:users"]\nc', "scopes: [roles]\nc"),
        [
            (
                'access.yaml:3: resources[0].scopes.email: "email" is about the person (OpenID Connect Core section'
                " 5.4); an API needs another name"
            ),
            'access.yaml:6: roles[0].scopes[0]: "roles" is about the person: everybody may give it, in no role',
        ],
    ),
    "a secret file outside": (
        GOOD.replace("secret_file: worker", "secret_file: ../worker"),
        [
            (
                'access.yaml:14: clients[0].secret_file: "../worker" must be a file name of A-Z a-z 0-9 _ . - that'
                " begins with no dot"
            )
        ],
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_each_broken_rule_is_one_line(tmp_path: Path, name: str) -> None:
    """What a file refers to must exist, and what it allows must be allowed."""
    text, expected = REFERENCES[name]
    assert lines_of(tmp_path, text) == expected


def test_mistakes_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Mistakes of every kind come together, by line, and none hides another."""
    text = GOOD.replace("name: reader", "name: reader!").replace("id: worker", "id: _\n    typo: 1")
    assert [line.split(": ")[0:2] for line in lines_of(tmp_path, text)] == [
        ["access.yaml:5", "roles[0].name"],
        ["access.yaml:8", "clients[0].id"],
        ["access.yaml:9", "clients[0].typo"],
        ["access.yaml:12", "clients[0].roles[0]"],
    ]


def test_references_are_checked_against_what_there_will_be(tmp_path: Path) -> None:
    """Without --prune a file may build on what exists; with it, only on itself."""
    model = fold(AccessModel(), plan_document(read(tmp_path, GOOD), AccessModel(), prune=False).steps)
    more = f'clients:\n- {{id: second, scopes: ["read:users"], resources: ["{USERS}"]}}\n'
    plan = plan_document(read(tmp_path, more), model, prune=False)
    assert [(step.action, step.name) for step in plan.steps] == [("add", "second")]
    assert plan.kept == (("resource", USERS), ("role", "reader"), ("client", "worker"))
    assert lines_of(tmp_path, more, model, prune=True) == [
        f'access.yaml:2: clients[0].resources[0]: "{USERS}" is no resource',
        'access.yaml:2: clients[0].scopes[0]: "read:users" is no scope of any resource',
    ]


def test_a_scope_is_not_dropped_under_those_who_have_it(tmp_path: Path) -> None:
    """A file may not take a scope from a resource while roles and clients that it does not name keep it."""
    model = fold(AccessModel(), plan_document(read(tmp_path, GOOD), AccessModel(), prune=False).steps)
    narrowed = f"resources:\n- uri: {USERS}\n  scopes: {{}}\n"
    assert lines_of(tmp_path, narrowed, model) == [
        (
            'access.yaml:3: resources[0].scopes: "read:users" is dropped, but client worker, which is not in this file,'
            " has it"
        ),
        (
            'access.yaml:3: resources[0].scopes: "read:users" is dropped, but role reader, which is not in this file,'
            " has it"
        ),
    ]


def test_keys_are_read_from_the_file_or_beside_it(tmp_path: Path) -> None:
    """`jwks` and `jwks_file` give the same keys; a mistake in either names the line."""
    key = json.dumps(EC_KEY)
    (tmp_path / "keys.json").write_text(f'{{"keys": [{key}]}}')
    inline = read(tmp_path, f"clients:\n- id: a\n  auth_method: private_key_jwt\n  jwks: {{keys: [{key}]}}\n")
    beside = read(tmp_path, "clients:\n- id: a\n  auth_method: private_key_jwt\n  jwks_file: keys.json\n")
    assert inline.wanted.clients["a"].jwks == beside.wanted.clients["a"].jwks == (EC_KEY,)
    (tmp_path / "keys.json").write_text('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}')
    assert lines_of(tmp_path, "clients:\n- id: a\n  auth_method: private_key_jwt\n  jwks_file: keys.json\n") == [
        (
            "access.yaml:4: clients[0].jwks.keys[0]: not a public key: it has the private members k;"
            " register the public half only"
        )
    ]
    assert lines_of(tmp_path, "clients:\n- id: a\n  auth_method: private_key_jwt\n  jwks_file: gone.json\n") == [
        "access.yaml:4: clients[0].jwks_file: gone.json: no such file or directory"
    ]
    assert lines_of(tmp_path, "clients:\n- id: a\n  auth_method: private_key_jwt\n") == [
        "access.yaml:2: clients[0].jwks: private_key_jwt needs the client's public keys"
    ]
