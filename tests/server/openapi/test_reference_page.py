import re

from churnkit.server.openapi.reference_page import render_reference


def test_the_page_lists_every_operation_and_links_every_schema(ask):
    reply, document = ask("/docs"), ask("/openapi.json").json()
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"<h2>{method.upper()} {path}</h2>" in reply.text
    anchors = set(re.findall(r'<h2 id="(\w+)">', reply.text))
    assert anchors == set(document["components"]["schemas"])
    assert set(re.findall(r'href="#(\w+)"', reply.text)) <= anchors


def test_the_page_needs_no_script_and_no_other_host(ask):
    text = ask("/docs").text
    assert "<script" not in text
    assert "//" not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)


def test_texts_of_a_schema_are_escaped():
    text = "<img src=x onerror=alert(1)>"
    schema = {"description": text, "properties": {text: {"type": "string", "enum": [text]}}}
    page = render_reference(
        {"info": {"title": text}, "paths": {}, "components": {"schemas": {"A": schema}}}
    )
    assert "<img" not in page
