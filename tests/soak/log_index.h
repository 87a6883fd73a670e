// Which requests have their event in the audit log, read while it is written.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>

#include "base/fd.h"

namespace anchorhold::soak {

// For any thread. A line counts once it is whole; a torn one may be cut off and replaced.
class LogIndex {
  public:
    explicit LogIndex(std::string path) : path_(std::move(path)) {}

    // Is the decision that let request `id` through in the file at this moment?
    bool holds(uint64_t id);
    // Decisions seen twice for one id: a request that was admitted again.
    uint64_t repeated();
    // Records of writers that found a torn last line, and that found records gone.
    uint64_t repairs();
    uint64_t losses();

  private:
    void catch_up();
    void take(std::string_view line);

    const std::string path_;
    std::mutex mutex_;
    OwnFd file_;
    uint64_t offset_ = 0;  // behind the last whole line
    std::unordered_set<uint64_t> admitted_;
    uint64_t repeated_ = 0;
    uint64_t repairs_ = 0;
    uint64_t losses_ = 0;
};

// The number in a target of the soak's requests, "/v1/r/<id>"; 0: another target.
uint64_t id_of(std::string_view text);

}  // namespace anchorhold::soak
