// Files on disk soon, and not one fdatasync for each write: a thread that waits a moment and syncs
// what was written meanwhile.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/result.h"

namespace anchorhold::supervisor {

constexpr Duration kGroupSyncDelay = std::chrono::milliseconds(10);

// One file. What is written before dirty() is on disk kGroupSyncDelay and one fdatasync later.
class GroupSync {
  public:
    // `fd` stays the caller's and open. The thread starts with the first dirty().
    explicit GroupSync(int fd) : fd_(fd) {}
    // What is dirty is synced first.
    ~GroupSync();
    GroupSync(const GroupSync&) = delete;
    GroupSync& operator=(const GroupSync&) = delete;

    void dirty();
    // The failure of an earlier sync; it stays, because what it lost stays lost.
    [[nodiscard]] Status failure();

  private:
    void work();

    const int fd_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool dirty_ = false;
    bool ending_ = false;
    std::optional<Error> failure_;
    std::thread thread_;
};

// fdatasync(2) with an error that says which file.
[[nodiscard]] Status sync_data(int fd);

}  // namespace anchorhold::supervisor
