"""Chat templates in the manner of well-known families of instruct models."""

from __future__ import annotations

_TURNS = "{% for turn in messages %}"
CHATML = (
    _TURNS
    + "{{ '<|im_start|>' + turn['role'] + '\n' + turn['content'] + '<|im_end|>\n' }}{% endfor %}"
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATES = {
    "chatml": CHATML,
    "with words of the system": "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}" + CHATML,
    "brackets": "{{ bos_token }}"
    + _TURNS
    + "{% if turn['role'] == 'user' %}{{ '[INST] ' + turn['content'] + ' [/INST]' }}"
    + "{% else %}{{ ' ' + turn['content'] + eos_token }}{% endif %}{% endfor %}",
    "headers": "{{ bos_token }}"
    + _TURNS
    + "{{ '<|head|>' + turn['role'] + '<|/head|>\n\n' + (turn['content'] | trim) + '<|eot|>' }}{% endfor %}"
    + "{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}",
    "names": _TURNS
    + "{% if turn['role'] == 'user' %}{{ 'USER: ' + turn['content'] + ' ' }}"
    + "{% else %}{{ 'ASSISTANT: ' + turn['content'] + eos_token }}{% endif %}{% endfor %}"
    + "{% if add_generation_prompt %}ASSISTANT:{% endif %}",
}
