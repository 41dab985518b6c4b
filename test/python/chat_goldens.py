"""Makes test/golden/chat-templates.json: chats, and what transformers' chat templates make of them.

Run: python test/python/chat_goldens.py  (needs transformers, see fixtures.txt)
The templates have what those of published models use: tools, calls, parts, dates, own errors. The
clock stands at 1 January 2026, as in src/calibration/chat-template.ts. A text of null: refused.
"""
import datetime
import json
from pathlib import Path

import transformers.utils.chat_template_utils as chats

TURNS = r"""{%- if tools %}
    {{- '<|start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
    {{- 'Functions:' }}
    {%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '<|end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {{- '<|start|>user\n<answer>' + message.content + '</answer><|end|>\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|start|>assistant\n' + message.content | trim }}
        {%- for call in message.tool_calls or [] %}
            {{- '\n<call name="' + call.function.name + '">' }}
            {%- if call.function.arguments is string %}
                {{- call.function.arguments }}
            {%- else %}
                {{- call.function.arguments | tojson }}
            {%- endif %}
            {{- '</call>' }}
        {%- endfor %}
        {{- '<|end|>\n' }}
    {%- elif not (tools and loop.first and message.role == 'system') %}
        {{- '<|start|>' + message.role + '\n' + message.content + '<|end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start|>assistant\n' }}{%- endif %}"""

DATED = r"""{{- bos_token }}
{%- if date_string is not defined %}
    {%- set date_string = strftime_now('%d %b %Y') %}
{%- endif %}
{%- set ns = namespace(turns=0) %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{{- 'Date: ' + date_string + '\n' + system + eos_token }}
{% for message in messages %}
    {%- if (message['role'] == 'user') != (ns.turns % 2 == 0) %}
        {{- raise_exception('Roles must alternate.') }}
    {%- endif %}
    {%- set ns.turns = ns.turns + 1 %}
{{ message['role'] }}:
    {%- if message.content is string %}
        {{- message.content }}
    {%- else %}
        {%- for part in message.content if part.type == 'text' %}{{- part.text }}{%- endfor %}
    {%- endif %}
    {{- eos_token }}
{% endfor %}"""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_wéather",
        "description": 'Weather <now> & later\'s "best"',
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": ["Zürich", "東京"]},
                "days": {"type": "number", "minimum": 0.5},
            },
            "required": ["city"],
        },
    },
}


def call(arguments: object) -> dict:
    return {"type": "function", "function": {"name": "get_wéather", "arguments": arguments}}


def turn(role: str, content: object, **more: object) -> dict:
    return {"role": role, "content": content, **more}


SIMPLE = [turn("system", " Brief. "), turn("user", "<b> & 'you'"), turn("assistant", "  Hi. \n")]
PARTS = [{"type": "text", "text": "one "}, {"type": "image"}, {"type": "text", "text": "two"}]
ARGUMENTS = {"city": "東京", "days": 2, "ok": True, "no": None, "all": [1.5, "a"]}
CASES = [
    ("turns", {"messages": SIMPLE}),
    ("turns", {"messages": SIMPLE, "tools": [WEATHER]}),
    (
        "turns",
        {
            "messages": [
                turn("user", "Weather in 東京?"),
                turn("assistant", "", tool_calls=[call(ARGUMENTS), call('{"s": 1}')]),
                turn("tool", '{"t": 21}'),
                turn("assistant", "21 °C"),
            ],
            "tools": [WEATHER],
        },
    ),
    ("turns", {"messages": SIMPLE, "chat_template_kwargs": {"add_generation_prompt": True}}),
    ("dated", {"messages": SIMPLE}),
    ("dated", {"messages": [turn("user", PARTS), turn("assistant", "three")]}),
    ("dated", {"messages": [turn("user", "a")], "chat_template_kwargs": {"date_string": "today"}}),
    ("dated", {"messages": [turn("assistant", "first")]}),
]


class Still(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 1)


def render(template: str, chat: dict) -> str | None:
    given = {"add_generation_prompt": False, **chat.get("chat_template_kwargs", {})}
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    try:
        texts, _ = chats.render_jinja_template(
            [chat["messages"]],
            tools=chat.get("tools"),
            chat_template=template,
            **tokens,
            **given,
        )
    except Exception:  # of the template itself
        return None
    return texts[0]


chats.datetime = Still
templates = {"turns": TURNS, "dated": DATED}
cases = [
    {"template": name, "chat": chat, "text": render(templates[name], chat)} for name, chat in CASES
]
target = Path(__file__).parent.parent / "golden" / "chat-templates.json"
text = json.dumps({"templates": templates, "cases": cases}, ensure_ascii=False, indent=1)
target.write_text(text + "\n")
