// The program of the walk-through: its greeting does not fit.
#include <array>
#include <cstdio>
#include <cwchar>
#include <iostream>

#ifndef GREETING_SIZE
#define GREETING_SIZE 50
#endif

void FillGreeting(wchar_t *buffer, size_t size)
{
    wchar_t const *const message = L"WELCOME TO THE DEBUGGER. MAY EVERY BREAKPOINT YOU SET BE THE LAST ONE THAT YOU NEED!";
    wcsncpy(buffer, message, size);
}

int main()
{
    std::array<wchar_t, GREETING_SIZE> greeting{};
    FillGreeting(greeting.data(), greeting.size());

    std::cin.get();
    wprintf(L"%.*ls\n", static_cast<int>(greeting.size()), greeting.data());

    return 0;
}
