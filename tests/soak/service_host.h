// What there is of a service on this host: its processes, its files, what its keeper holds, and
// whether that is what the service itself says.
#pragma once

#include <nlohmann/json.hpp>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "soak/service_process.h"

namespace anchorhold::soak {

// Faults as they are found. Each is printed at once.
class Faults {
  public:
    // `holds` or a fault; returns `holds`.
    bool require(bool holds, const std::string& what);
    [[nodiscard]] size_t count() const { return count_; }
    // What every fault is printed with: where in the run it was found.
    void at(std::string point) { point_ = std::move(point); }

  private:
    std::string point_;
    size_t count_ = 0;
};

// The processes below this one by the name of their program, at most 15 characters of it. Those
// that ended and are nobody else's to reap are reaped, but not `service`.
std::map<std::string, std::set<pid_t>> processes_below_us(pid_t service);

// Resident memory of a process, in KiB; 0: it is gone.
uint64_t resident_kib(pid_t pid);

// The service's word on its sandboxes, by name, as soon as no operation is under way and it has
// noticed the end of the VMM `ended`, where there is one.
using Views = std::map<std::string, nlohmann::json>;
Result<Views> settled_views(const ServiceProcess& service, std::optional<pid_t> ended = {});
// The same from `anchorhold ps --json`.
Result<std::set<std::string>> names_of_ps(const std::string& folder);

// How processes, files and the keeper differ from the service's word: one line each, empty where
// they do not. Waits, with a deadline, for what is on its way out.
std::string differences(const std::string& folder, const ServiceProcess& service,
                        const Views& views);

// The end of the service's log.
std::string log_end(const std::string& folder);

// Shell lines for guests, of little else than built-ins: a process costs much where a machine is
// emulated twice. One writes a word to a file and one to memory; one starts a process that counts
// in memory, where there is none; one prints two numbers of it, the second after the first.
std::string guest_writes(const std::string& file_word, const std::string& memory_word);
constexpr const char* kGuestCounts =
    "[ -e /dev/shm/count ] || { mkfifo /dev/shm/never; echo 1 > /dev/shm/count; "
    "(i=1; while :; do read -t 0.3 x <> /dev/shm/never; i=$((i+1)); echo $i > /dev/shm/count; "
    "done) "
    "> /dev/null 2>&1 & echo $! > /dev/shm/counter; }";
// `read` takes a byte at a time and the counter writes meanwhile: a number counts that was read
// twice.
constexpr const char* kGuestCountsOn =
    "[ -e /dev/shm/count ] || { echo 0 0; exit; }; "
    "now() { c=; d=x; until [ \"$c\" ] && [ \"$c\" = \"$d\" ]; do read c < /dev/shm/count; "
    "read d < /dev/shm/count; done; }; "
    "now; a=$c; n=0; until [ $c != $a ] || [ $n = 300 ]; do n=$((n+1)); "
    "read -t 0.1 x <> /dev/shm/never; now; done; echo $a $c";

// Private folders, the network settings and the policy that sandboxes with a window get; then a
// template of the name kTemplate.
constexpr const char* kTemplate = "warm";
constexpr const char* kUpstream = "soak.example.com";
Status furnish(const std::string& folder, uint16_t upstream_port);
[[nodiscard]] std::string policy_path(const std::string& folder);

}  // namespace anchorhold::soak
