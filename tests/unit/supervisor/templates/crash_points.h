// Ending a process between any two of its system calls.
#pragma once

#include <cstddef>
#include <functional>

namespace anchorhold::supervisor {

// How a child that ran `work` came to its end.
enum class Died { kBeforeCall, kAfterwards };

// Runs `work` in a child (fork) and kills it before its system call number `call`, counted from 0;
// kAfterwards when it had fewer. What the kernel did for it until then has happened, nothing else.
[[nodiscard]] Died run_until_call(size_t call, const std::function<void()>& work);

}  // namespace anchorhold::supervisor
