// Loads and unloads a library over and over; its constructor runs each time.
#include <dlfcn.h>
#include <stdlib.h>

__attribute__((noinline)) int ended(int sum)
{
    return sum;
}

int main(int argc, char **argv)
{
    int sum = 0;
    for (int i = atoi(argv[2]); i > 0; i--) {
        void *lib = dlopen(argv[1], RTLD_NOW);
        sum += ((int (*)(int))dlsym(lib, "plug"))(4);
        dlclose(lib);
    }
    return ended(sum) == 0;
}
