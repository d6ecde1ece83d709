"""From the text of an answer to candidates, labels and instances; shared by the methods.

Nothing vanishes here: each piece of text becomes part of a result or a `Dropped` with its rule.

- `thinking`: reasoning between <think> marks. It is no answer.
- `chatter`: words to the reader before or after the answer, or what a base model went on to write.
- `echo`: parts of the prompt that the answer repeats.
- `cut`: the last piece of an answer that the token limit cut.
- `empty_item`: a number, bullet or heading with nothing behind it.
- `malformed`: text in which none of the expected parts was found.

The expressions keep runs of white space in one place each, so that no text makes them backtrack for long.
"""

from selfinstruct.parsing.common import Parsed, split_thinking
from selfinstruct.parsing.instances import input_first, output_first
from selfinstruct.parsing.lists import numbered_list
from selfinstruct.parsing.tasks import whole_tasks
from selfinstruct.parsing.verdicts import verdict

__all__ = ["Parsed", "input_first", "numbered_list", "output_first", "split_thinking", "verdict", "whole_tasks"]
