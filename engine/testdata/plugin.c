int loads;

__attribute__((constructor)) static void begin(void)
{
    loads++;
}

int plug(int a)
{
    int b = a + loads;
    return b;
}
