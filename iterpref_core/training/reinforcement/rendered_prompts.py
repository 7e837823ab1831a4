"""Rendered prompts: problems as a model reads them, and the texts of its answers.

The prompt is the one that evaluation asks, rendered by the model's own template. The template's end ends an answer.
"""

from collections.abc import Sequence

from transformers import GenerationConfig

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.prompt_tokens import EncodedPrompt, encode_prompts, end_tokens, read_answer
from iterpref_core.models.prompts.codeflow_prompts import draft_prompt
from iterpref_core.records import Problem
from iterpref_core.records.errors import ModelError


class RenderedPrompts:
    """The prompts of a training, as token ids, and the way back from an answer's token ids to its text.

    Args:
        template: what the model's template writes around prompts and answers.
        generation: the model's own generation config, which may name further end tokens.

    Attributes:
        end_tokens: ids of the tokens that end an answer, ascending.

    Raises:
        ModelError: the template ends answers with text, which TRL cannot stop at.
    """

    def __init__(self, template: ChatTemplate, generation: GenerationConfig) -> None:
        if template.end.stop:
            raise ModelError(
                f"{template.tokenizer.name_or_path}: its chat template ends answers with the text "
                f"{template.end.stop!r} and no token, where TRL's GRPOTrainer cannot stop; give the template an end "
                "token, or set model.prompt: plain"
            )
        self._template = template
        self.end_tokens = sorted(end_tokens(template, generation))
        self._asked: dict[str, EncodedPrompt] = {}

    def render(self, problem: Problem) -> str:
        """Return the text that the model reads before its answer."""
        return self._template.render_prompt(draft_prompt(problem.prompt))

    def length(self, problem: Problem) -> int:
        """Return the number of tokens that the model reads before its answer."""
        (asked,) = encode_prompts(self._template, [self.render(problem)])
        return len(asked.ids)

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of texts from `render`."""
        new = [text for text in dict.fromkeys(prompts) if text not in self._asked]
        self._asked.update(zip(new, encode_prompts(self._template, new), strict=True))
        return [self._asked[text].ids for text in prompts]

    def first(self, problem: Problem) -> EncodedPrompt:
        """Return the prompt that a problem's first answer answers."""
        rendered = self.render(problem)
        self.encode([rendered])
        return self._asked[rendered]

    def read(self, answer: Sequence[int], asked: EncodedPrompt) -> str:
        """Return the text of an answer, without what the template writes around it.

        Args:
            answer: token ids, up to the end token, if the model wrote one.
            asked: the prompt before it.
        """
        ids = list(answer)
        if ids and ids[-1] in self.end_tokens:
            ids.pop()
        text = str(self._template.tokenizer.decode(ids, skip_special_tokens=True))
        return read_answer(text, asked, self._template)
