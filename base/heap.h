// The allocator's share of the memory: what was freed but is not back with the kernel yet.
//
// glibc makes up to eight arenas per core, and each keeps what its threads have freed: a server
// with fifty threads ends with the largest query in memory once per arena. One arena per core is
// enough where memory is taken in blocks. And it gives large blocks back to the kernel as soon as
// they are free, so that the next ones cost page faults; here free pages go back from time to time
// (docs/decisions/0012-allocator.md).
#pragma once

namespace deckwatch {

// Before the first thread is made.
void SetUpHeap();

// Gives the free pages of the heap back to the kernel. Costs milliseconds when there are many;
// allocations of other threads may wait for as long.
void TrimHeap();

}  // namespace deckwatch
