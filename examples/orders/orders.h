// A shop's orders, with a bug that only one test meets.
#pragma once
#include <string>
#include <vector>

struct Customer {
    std::string name;
    int discount; // per cent
};

struct Item {
    std::string what;
    int price; // cents
    int count;
};

struct Order {
    int number;
    const Customer *customer; // null: somebody who is not registered
    std::vector<Item> items;
};

// total is what has to be paid, in cents.
int total(const Order &order);

// label is what is printed on the parcel.
std::string label(const Order &order);
