"""Draw the README's picture from two real runs: one order, directed and left to itself."""

import asyncio
import re
from pathlib import Path

from labkit import Lab, sequence
from labkit.shop import (
    Inventory,
    Notification,
    Order,
    OrderOrchestrator,
    OrderPlaced,
    Payment,
    Shipping,
)
from labkit.trace import Trace

TARGET = Path(__file__).resolve().parent.parent / "docs" / "one-order.svg"
GAP = 16


async def orchestrated() -> Trace:
    async with Lab(OrderOrchestrator, Payment, Inventory, Shipping) as lab:
        await lab.call(OrderOrchestrator.place_order, order_id="o-1", amount=129_900)
        return await lab.quiet()


async def choreographed() -> Trace:
    async with Lab(Payment, Notification, Inventory, Shipping, Order) as lab:
        await lab.publish(OrderPlaced(order_id="o-1", amount=129_900))
        return await lab.quiet()


def stacked(svgs: list[str]) -> str:
    """Pictures under each other, in one."""
    sizes = [(_number(svg, "width"), _number(svg, "height")) for svg in svgs]
    width, height = max(w for w, _ in sizes), sum(h for _, h in sizes) + GAP * (len(svgs) - 1)
    parts, y = [], 0.0
    for svg, (_, tall) in zip(svgs, sizes, strict=True):
        parts.append(svg.replace("<svg ", f'<svg y="{y:g}" ', 1))
        y += tall + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">{"".join(parts)}</svg>\n'
    )


async def picture() -> str:
    return stacked([sequence(await orchestrated()).svg, sequence(await choreographed()).svg])


def _number(svg: str, name: str) -> float:
    found = re.search(rf'<svg[^>]* {name}="([\d.]+)"', svg)
    assert found, f"the picture has no {name}"
    return float(found[1])


if __name__ == "__main__":
    TARGET.write_text(asyncio.run(picture()), encoding="utf-8", newline="\n")
    print(f"wrote {TARGET.name}")
