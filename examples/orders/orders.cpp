#include "orders.h"

static int sum(const std::vector<Item> &items)
{
    int cents = 0;
    for (const Item &item : items)
        cents += item.price * item.count;
    return cents;
}

int total(const Order &order)
{
    int cents = sum(order.items);
    return cents - cents * order.customer->discount / 100; // the bug: there may be no customer
}

std::string label(const Order &order)
{
    return order.customer ? order.customer->name : "to whom it may concern";
}
