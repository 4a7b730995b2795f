struct Empty {
    Empty() {}
    int with(int n) const { return n; }
};
