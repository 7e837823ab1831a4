"""Tests of the example package."""

import prices


def test_net() -> None:
    assert prices.net(9.99, 0.2) == 8.33


def test_gross() -> None:
    assert prices.gross(9.99, 0.07) == 10.69


def test_tax_included() -> None:
    assert prices.tax_included(9.99, 0.2) == 1.66


def test_discounted() -> None:
    assert prices.discounted(9.99, 0.15) == 8.49


def test_saved() -> None:
    assert prices.saved(9.99, 0.15) == 1.5


def test_total() -> None:
    assert prices.total([0.1, 0.2, 0.35]) == 0.65


def test_average() -> None:
    assert prices.average([1.25, 2.5, 2.5]) == 2.08


def test_unit_price() -> None:
    assert prices.unit_price(9.99, 4) == 2.5
    assert prices.unit_price(5.0, 4) == 1.25


def test_line_total() -> None:
    assert prices.line_total(0.35, 3) == 1.05


def test_with_shipping() -> None:
    assert prices.with_shipping(9.99, 4.5) == 14.49


def test_change() -> None:
    assert prices.change(20, 9.99) == 10.01


def test_margin() -> None:
    assert prices.margin(9.99, 6.4) == 3.59


def test_marked_up() -> None:
    assert prices.marked_up(6.4, 0.35) == 8.64


def test_deposit() -> None:
    assert prices.deposit(99.5, 0.25) == 24.88


def test_remainder() -> None:
    assert prices.remainder(99.7, 0.25) == 74.78


def test_installment() -> None:
    assert prices.installment(99.5, 12) == 8.29


def test_converted() -> None:
    assert prices.converted(9.99, 1.08) == 10.79


def test_tip() -> None:
    assert prices.tip(23.4, 0.15) == 3.51


def test_split_bill() -> None:
    assert prices.split_bill(23.4, 4) == 5.85


def test_commission() -> None:
    assert prices.commission(99.5, 0.03) == 2.98


def test_late_fee() -> None:
    assert prices.late_fee(99.5, 7) == 0.7


def test_refund() -> None:
    assert prices.refund(9.99, 2.5) == 7.49


def test_cheapest() -> None:
    assert prices.cheapest([2.5, 1.25]) == 1.25


def test_is_free() -> None:
    assert (prices.is_free(0.0), prices.is_free(0.01)) == (True, False)


def test_is_reduced() -> None:
    assert (prices.is_reduced(7.49, 9.99), prices.is_reduced(9.99, 9.99)) == (True, False)


def test_count_below() -> None:
    assert prices.count_below([2.5, 1.25, 9.99], 9) == 2


def test_spread() -> None:
    assert prices.spread([2.5, 1.25, 9.99]) == 8.74
