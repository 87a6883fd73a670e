// One fixed structure, in place.
#include "supervisor/audit/ratchet_state.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace anchorhold::supervisor {
namespace {

constexpr std::array<uint8_t, 8> kMagic = {'A', 'H', 'A', 'U', 'D', 'I', 'T', '1'};

Sha256 checksum_of(const StateFile& file) {
    Hasher hasher;
    return hasher.of({reinterpret_cast<const char*>(&file), offsetof(StateFile, checksum)});
}

}  // namespace

Result<std::optional<RatchetState>> read_state(int fd) {
    StateFile file{};
    const ssize_t got = ::pread(fd, &file, sizeof file, 0);
    if (got < 0) {
        return fail_errno("read", "the audit log's state");
    }
    std::optional<RatchetState> state;
    if (got == sizeof file && file.magic == kMagic && file.checksum == checksum_of(file)) {
        state = RatchetState{file.log_id, {file.records, file.head, file.key}, file.log_size};
    }
    wipe(file.key);
    return state;
}

Status write_state(int fd, const RatchetState& state) {
    StateFile file{};
    file.magic = kMagic;
    file.log_id = state.log_id;
    file.records = state.position.records;
    file.log_size = state.log_size;
    file.head = state.position.head;
    file.key = state.position.key;
    file.checksum = checksum_of(file);
    const ssize_t put = ::pwrite(fd, &file, sizeof file, 0);
    const int code = put < 0 ? errno : ENOSPC;
    wipe(file.key);
    if (put != sizeof file) {
        return fail_errno(code, "write", "the audit log's state");
    }
    return {};
}

}  // namespace anchorhold::supervisor
