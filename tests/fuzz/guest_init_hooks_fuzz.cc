// What an agent controls when init reads its hooks: names and texts of files, and its part of what
// /proc says. Whatever passes is a pid above init's and a signal that programs may be sent.
#include <signal.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "guest-init/uniqueness/agent_processes.h"
#include "guest-init/uniqueness/resume_hooks.h"

namespace anchorhold::guest_init {
namespace {

void read_all(std::string_view bytes) {
    if (const auto pid = parse_hook_name(bytes)) {
        ANCHORHOLD_CHECK(*pid > 1 && std::to_string(*pid) == bytes);
    }
    if (const auto number = parse_hook_text(bytes)) {
        ANCHORHOLD_CHECK(*number == SIGHUP || *number == SIGUSR1 || *number == SIGUSR2 ||
                         (*number > 34 && *number <= 64));
        ANCHORHOLD_CHECK(bytes.starts_with(std::to_string(*number)));
    }
    ANCHORHOLD_CHECK(!is_in_agent_group(bytes) || bytes.starts_with("0::/agent/"));
    if (const auto facts = parse_status(bytes)) {
        const std::string uid = std::to_string(facts->uid);
        ANCHORHOLD_CHECK(bytes.find("Uid:\t") != std::string_view::npos);
        ANCHORHOLD_CHECK(bytes.find(uid) != std::string_view::npos);
    }
}

}  // namespace
}  // namespace anchorhold::guest_init

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    anchorhold::guest_init::read_all({reinterpret_cast<const char*>(data), size});
    return 0;
}
