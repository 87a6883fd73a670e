// A state is a sealed payload.
#include "snapshot/state_file.h"

#include "snapshot/sealed.h"

namespace anchorhold::snapshot {
namespace {

// The version is of the container and of what the payload means: it changes whenever a state of
// before must not be restored any more.
constexpr Format kFormat{.kind = Kind::kState, .version = 1, .max_payload = kMaxState};

}  // namespace

std::string seal_state(std::string_view payload) {
    return seal_payload(kFormat, payload);
}

Result<std::string_view> open_state(std::string_view file) {
    return open_sealed(kFormat, file);
}

Result<std::string> read_state(int fd) {
    return read_sealed(kFormat, fd);
}

}  // namespace anchorhold::snapshot
