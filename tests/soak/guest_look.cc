// Lines for its shell, and comparisons.
#include "soak/guest_look.h"

#include <fmt/format.h>

#include <sstream>

namespace anchorhold::soak {
namespace {

constexpr const char* kLook =
    "read w < $HOME/word; echo $w; w=none; [ -e /dev/shm/word ] && read w < /dev/shm/word; echo "
    "$w; "
    "read w < /etc/machine-id; echo $w; read w < /proc/sys/kernel/hostname; echo $w; "
    "read w < /proc/sys/kernel/random/boot_id; echo $w; ";

std::string through_the_window() {
    return fmt::format(
        "for i in 1 2 3 4 5; do wget -q -O - http://{}/v1/word && exit; done; exit 1", kUpstream);
}

}  // namespace

std::string write_words(const std::string& word) {
    return fmt::format("{}; {}", guest_writes(word, word), kGuestCounts);
}

std::optional<Look> look(ServiceProcess& service, Faults& faults, const std::string& name) {
    const auto text = service.run_in(name, std::string(kLook) + kGuestCountsOn);
    if (!faults.require(text.has_value(), text ? ""
                                               : fmt::format("{}: expected that it answers, "
                                                             "came: {}",
                                                             name, text.error().message))) {
        return std::nullopt;
    }
    Look look;
    look.text = *text;
    std::istringstream lines(*text);
    lines >> look.file >> look.memory >> look.machine_id >> look.host_name >> look.boot >>
        look.first >> look.second;
    return look;
}

void compare(Faults& faults, const std::string& name, const Look& look, const std::string& word,
             bool memory) {
    faults.require(look.file == word, fmt::format("{}: expected its file to say '{}', came '{}'",
                                                  name, word, look.text));
    const std::string wanted = memory ? word : "none";
    faults.require(
        look.memory == wanted,
        fmt::format("{}: expected its memory to say '{}', came '{}'", name, wanted, look.text));
    faults.require(!memory || look.second > look.first,
                   fmt::format("{}: expected a counter that counts, came {} then {}", name,
                               look.first, look.second));
}

void compare_identity(Faults& faults, const std::string& name, const Look& look,
                      const Views& views) {
    const auto found = views.find(name);
    const std::string id = found == views.end() ? "" : found->second.value("id", "");
    faults.require(look.machine_id == id && look.host_name == name,
                   fmt::format("{}: expected machine-id {} and host name {}, came {} and {}", name,
                               id, name, look.machine_id, look.host_name));
}

void judge_window(ServiceProcess& service, Faults& faults, const std::string& name) {
    const auto came = service.run_in(name, through_the_window());
    faults.require(came && came->find("/v1/word") != std::string::npos,
                   fmt::format("{}: expected an answer through its window, came '{}'", name,
                               came ? *came : came.error().message));
}

}  // namespace anchorhold::soak
