// Where a writer stands, kept beside the log so that the next writer can go on.
#pragma once

#include <cstdint>
#include <optional>

#include "base/endian.h"
#include "base/result.h"
#include "supervisor/audit/record_chain.h"

namespace anchorhold::supervisor {

using LogId = std::array<uint8_t, 16>;

struct RatchetState {
    LogId log_id{};
    ChainPosition position;
    uint64_t log_size = 0;  // in bytes, up to and with the last record
};

// The file `state`. One write of less than a sector replaces it, in place: a rename would leave the
// old key's block on the disk.
struct StateFile {
    std::array<uint8_t, 8> magic;  // "AHAUDIT1"
    LogId log_id;
    Le64 records;
    Le64 log_size;
    Sha256 head;
    MacKey key;
    Sha256 checksum;  // of all before it: against torn writes, not against people
};
static_assert(sizeof(StateFile) == 136);

// nullopt: there is none yet, or it is not whole.
[[nodiscard]] Result<std::optional<RatchetState>> read_state(int fd);
[[nodiscard]] Status write_state(int fd, const RatchetState& state);

}  // namespace anchorhold::supervisor
