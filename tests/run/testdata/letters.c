/* Texts, whose characters a report does not tell one by one, and bytes, which it does. */
struct card { char name[64]; unsigned char raw[4]; };

static int use(struct card *c, int *nowhere)
{
    char buffer[100] = "hello";
    unsigned char bytes[4] = {1, 0, 2, 3};
    return *nowhere + buffer[0] + bytes[0] + c->name[0];
}

int main(void)
{
    struct card c = {"bob", {0, 7}};
    return use(&c, 0);
}
