// A driver whose rings and buffers are the fuzzer's: small steps that write guest memory, then
// kick.
#pragma once

#include "fuzz_input.h"
#include "guest_driver.h"

namespace anchorhold::fuzz {

// Guest memory that descriptors of a fuzzed driver mostly point to.
constexpr uint64_t kArena = 0x20'0000;
constexpr uint64_t kArenaSize = 0x4000;

// One step: writes a descriptor, fills a piece of the arena, makes a head available, takes used
// buffers, or kicks.
void ring_step(fakes::Bench& bench, fakes::GuestDriver& driver, size_t queues, FuzzInput& input);

}  // namespace anchorhold::fuzz
