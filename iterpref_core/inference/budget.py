"""Budget: caps on what a run may ask of a model, over all its restarts."""

from iterpref_core.config import BudgetParams, InferenceParams
from iterpref_core.errors import BudgetError, ConfigError
from iterpref_core.inference.answer_store import Spent
from iterpref_core.inference.backend import Completion


class Budget:
    """What may be spent, and what has been.

    A call is begun only while no cap is reached: tokens and dollars are exceeded by what was in flight then, at most,
    and the number of calls never.

    Args:
        caps: of all calls together.
        prices: dollars per million tokens.
        spent: by the run's earlier processes.

    Raises:
        ConfigError: dollars of an endpoint are capped, and its prices are not there: nothing would ever reach the cap.
    """

    def __init__(self, caps: BudgetParams, prices: InferenceParams, spent: Spent | None = None) -> None:
        if caps.dollars and prices.backend == "openai" and not prices.price_prompt + prices.price_completion:
            raise ConfigError(
                "budget.dollars caps nothing while inference.price_prompt and inference.price_completion are 0; "
                "give the endpoint's prices, in dollars per million tokens, or cap budget.tokens instead"
            )
        self._caps, self._prices = caps, prices
        self._in_flight = 0
        self.spent = spent or Spent()

    @property
    def dollars(self) -> float:
        """What was spent costs."""
        prices, spent = self._prices, self.spent
        return cost_usd(spent.prompt_tokens, spent.completion_tokens, prices.price_prompt, prices.price_completion)

    def reserve(self, calls: int = 1) -> None:
        """Begin calls.

        Raises:
            BudgetError: a cap is reached.
        """
        caps, spent = self._caps, self.spent
        after = {"calls": spent.calls + self._in_flight + calls - 1, "tokens": spent.tokens, "dollars": self.dollars}
        for name, amount in after.items():
            cap = getattr(caps, name)
            if cap is not None and amount >= cap:
                raise BudgetError(
                    f"budget.{name}: the cap of {cap:,} is reached: {spent.calls:,} calls, {spent.tokens:,} tokens, "
                    f"{self.dollars:.4f} dollars are spent. Nothing received is lost: raise the cap in params.yaml and "
                    "run the same command again to continue"
                )
        self._in_flight += calls

    def settle(self, answer: Completion | None) -> None:
        """End a call; None where it brought no answer."""
        self._in_flight -= 1
        if answer is not None:
            self.spent += Spent(1, answer.prompt_tokens, answer.completion_tokens)


def cost_usd(prompt_tokens: float, completion_tokens: float, price_prompt: float, price_completion: float) -> float:
    """Dollars that tokens cost, by prices in dollars per million."""
    return (prompt_tokens * price_prompt + completion_tokens * price_completion) / 1e6
