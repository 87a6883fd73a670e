// A disk that is a file or a block device of the host: at once where the page cache allows, else on
// one worker thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/parked_thread.h"
#include "base/result.h"
#include "virtio/block/disk.h"
#include "virtio/device.h"

namespace anchorhold::virtio {

struct FileDiskOptions {
    DiskAccess access = DiskAccess::kReadOnly;
    std::string name;  // for errors: "vdb"
    // Hears of each kind of host failure once, in one line ("write: No space left on device"). On
    // the loop's thread, DeviceLock held.
    std::function<void(std::string detail)> on_failure;
    // Does what the page cache cannot take; empty: the disk makes one.
    std::unique_ptr<ParkedThread> worker;
};

class FileDisk final : public Disk {
  public:
    // Takes the descriptor, open for what `access` says. The capacity is the file's size, rounded
    // down to 512 bytes; an empty file is an error. References outlive the disk. Destroy it on the
    // loop's thread.
    static Result<std::unique_ptr<FileDisk>> create(OwnFd file, FileDiskOptions options,
                                                    EventLoop& loop, DeviceLock& lock);
    ~FileDisk() override;
    FileDisk(const FileDisk&) = delete;
    FileDisk& operator=(const FileDisk&) = delete;

    [[nodiscard]] uint64_t capacity() const override { return capacity_; }
    void set_client(DiskClient* client) override { client_ = client; }
    std::optional<int> submit(DiskJob job) override;
    void cancel_all() override;

    // Jobs that went to the worker, since the start.
    [[nodiscard]] uint64_t handed_over() const { return handed_over_; }

  private:
    FileDisk(OwnFd file, uint64_t capacity, FileDiskOptions options, EventLoop& loop,
             DeviceLock& lock);
    void work();
    void complete(uint64_t epoch, DiskJob::Kind kind, uint64_t tag, int error);
    std::optional<int> try_at_once(DiskJob& job);
    [[nodiscard]] int run(DiskJob& job) const;
    void report(DiskJob::Kind kind, int error);

    OwnFd file_;
    uint64_t capacity_;
    FileDiskOptions options_;
    EventLoop& loop_;
    DeviceLock& lock_;
    DiskClient* client_ = nullptr;
    std::shared_ptr<FileDisk*> self_;  // emptied in the destructor; what posted tasks hold
    uint64_t epoch_ = 0;               // completions of an older one are nobody's
    bool nowait_reads_ = true;         // false once the file system said it cannot
    bool nowait_writes_ = true;
    uint64_t handed_over_ = 0;
    uint64_t reported_ = 0;  // bit per kind and cause of failure already told

    std::mutex mutex_;  // what is below; taken after the DeviceLock, never before it
    std::condition_variable wake_;
    std::condition_variable idle_;
    std::deque<std::pair<uint64_t, DiskJob>> jobs_;  // epoch, job
    bool busy_ = false;
    bool stopping_ = false;
    enum class Worker : uint8_t { kParked, kWorking } working_ = Worker::kParked;
    std::unique_ptr<ParkedThread> worker_;
};

}  // namespace anchorhold::virtio
