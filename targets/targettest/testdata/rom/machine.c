/* The machine's only program: it counts turns in RAM and says so on the first
 * serial port. */
struct board {
	unsigned turn;
	unsigned sum;
	unsigned char seen[64];
};

#define board (*(volatile struct board *)0x3000)
#define SERIAL 0x3f8
#define LAST_TURN 5000

__attribute__((noinline)) void say(char c)
{
	__asm__ volatile("outb %b0, %w1" : : "a"(c), "Nd"(SERIAL));
}

__attribute__((noinline)) unsigned mix(unsigned n)
{
	board.seen[n % sizeof board.seen] ^= (unsigned char)n;
	return n * 5 + 1;
}

__attribute__((noinline)) void take_turn(void)
{
	board.turn++;
	board.sum += mix(board.turn);
}

void machine_main(void)
{
	for (;;) {
		take_turn();
		if (board.turn % 1000 == 0)
			say('.');
		if (board.turn == LAST_TURN)
			say('!');
	}
}
