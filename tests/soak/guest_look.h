// What a sandbox says of itself, and what it should say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "soak/service_host.h"
#include "soak/service_process.h"

namespace anchorhold::soak {

// What a sandbox says of itself.
struct Look {
    std::string file;
    std::string memory;
    std::string machine_id;
    std::string host_name;
    std::string boot;
    uint64_t first = 0;  // two numbers of the counter
    uint64_t second = 0;
    std::string text;
};

// A line that leaves `word` on the disk and in memory, and a process that counts.
[[nodiscard]] std::string write_words(const std::string& word);

// Nothing where it does not answer, which is a fault.
std::optional<Look> look(ServiceProcess& service, Faults& faults, const std::string& name);

// What write_words() left; in memory only where `memory` says that it was not lost.
void compare(Faults& faults, const std::string& name, const Look& look, const std::string& word,
             bool memory);
void compare_identity(Faults& faults, const std::string& name, const Look& look,
                      const Views& views);
// It gets an answer through its window.
void judge_window(ServiceProcess& service, Faults& faults, const std::string& name);

}  // namespace anchorhold::soak
