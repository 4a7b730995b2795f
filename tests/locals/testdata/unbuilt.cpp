// An object whose table of virtual functions is not there (yet): the bases that
// lie at fixed places are known all the same.
#include <cstdio>
#include <cstring>

struct Root { int id; virtual ~Root() {} };
struct Left : virtual Root { int left; };
struct Both : Left { int tag; };

union Room {
  char bytes[sizeof(Both)];
  Both both;
  Room() : bytes() {}
  ~Room() {}
};

extern "C" __attribute__((noinline)) void probe(Room *room) { asm volatile("" ::"r"(room) : "memory"); }

int main() {
  Room room;
  static_cast<Left *>(&room.both)->left = 12;
  long garbage = 0x10;
  std::memcpy(room.bytes, &garbage, sizeof garbage);
  probe(&room);
  std::printf("room.both.<Left>.left %d\n", static_cast<Left *>(&room.both)->left);
}
