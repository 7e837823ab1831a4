"""Prices of a shop. An amount of money is a float, rounded to cents."""


def net(price, tax):
    """Return the price without the tax that it includes.

    >>> net(9.99, 0.2)
    8.33
    """
    return round(price / (1 + tax), 2)


def gross(price, tax):
    return round(price * (1 + tax), 2)


def tax_included(price, tax):
    """Return the tax that a price includes.

    >>> tax_included(9.99, 0.2)
    1.66
    """
    return round(price - price / (1 + tax), 2)


def discounted(price, share):
    """Return the price after a discount.

    >>> discounted(9.99, 0.15)
    8.49
    """
    return round(price * (1 - share), 2)


def saved(price, share):
    """Return the saving of a discount.

    >>> saved(9.99, 0.15)
    1.5
    """
    return round(price * share, 2)


def total(prices):
    """Return the sum of the prices.

    >>> total([0.1, 0.2, 0.35])
    0.65
    """
    return round(sum(prices), 2)


def average(prices):
    return round(sum(prices) / len(prices), 2)


def unit_price(price, count):
    """Return the price of one of several.

    >>> unit_price(9.99, 4)
    2.5
    >>> unit_price(5.0, 4)
    1.25
    """
    return round(price / count, 2)


def line_total(price, count):
    """Return the price of several.

    >>> line_total(0.35, 3)
    1.05
    """
    return round(price * count, 2)


def with_shipping(price, shipping):
    """Return the price with shipping.

    >>> with_shipping(9.99, 4.5)
    14.49
    """
    return round(price + shipping, 2)


def change(paid, price):
    """Return the money that a customer gets back.

    >>> change(20, 9.99)
    10.01
    """
    return round(paid - price, 2)


def margin(price, cost):
    """Return the profit of one sale.

    >>> margin(9.99, 6.4)
    3.59
    """
    return round(price - cost, 2)


def marked_up(cost, share):
    """Return the cost with a markup on it.

    >>> marked_up(6.4, 0.35)
    8.64
    """
    return round(cost * (1 + share), 2)


def deposit(price, share):
    return round(price * share, 2)


def remainder(price, share):
    """Return the rest of a price after a deposit.

    >>> remainder(99.7, 0.25)
    74.78
    """
    return round(price - price * share, 2)


def installment(price, months):
    """Return the payment of each month.

    >>> installment(99.5, 12)
    8.29
    """
    return round(price / months, 2)


def converted(price, rate):
    """Return the price in another currency.

    >>> converted(9.99, 1.08)
    10.79
    """
    return round(price * rate, 2)


def tip(price, share):
    return round(price * share, 2)


def split_bill(price, guests):
    """Return the share of each guest.

    >>> split_bill(23.4, 4)
    5.85
    """
    return round(price / guests, 2)


def commission(price, share):
    """Return an agent's part of a sale.

    >>> commission(99.5, 0.03)
    2.98
    """
    return round(price * share, 2)


def late_fee(price, days):
    """Return a thousandth of the price for each day.

    >>> late_fee(99.5, 7)
    0.7
    """
    return round(price * days / 1000, 2)


def refund(price, fee):
    """Return the money that a customer gets back for a return, less the fee.

    >>> refund(9.99, 2.5)
    7.49
    """
    return round(price - fee, 2)


def cheapest(prices):
    """Return the lowest of the prices.

    >>> cheapest([2.5, 1.25])
    1.25
    """
    return min(prices)


def is_free(price):
    """Return True if nothing is to be paid.

    >>> is_free(0.0), is_free(0.01)
    (True, False)
    """
    return price == 0


def is_reduced(price, before):
    """Return True if a price is lower than it was before.

    >>> is_reduced(7.49, 9.99), is_reduced(9.99, 9.99)
    (True, False)
    """
    return price < before


def count_below(prices, limit):
    """Return the number of prices that are below a limit.

    >>> count_below([2.5, 1.25, 9.99], 9)
    2
    """
    return len([price for price in prices if price < limit])


def spread(prices):
    """Return the highest less the lowest price.

    >>> spread([2.5, 1.25, 9.99])
    8.74
    """
    return round(max(prices) - min(prices), 2)
