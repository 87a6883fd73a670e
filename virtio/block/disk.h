// Where a block device's bytes are: the backend interface.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace anchorhold::virtio {

enum class DiskAccess : uint8_t { kReadOnly, kReadWrite };

// One operation on a disk. Offset and length are in bytes and already checked against the capacity.
struct DiskJob {
    enum class Kind : uint8_t { kRead, kWrite, kFlush, kDiscard, kWriteZeroes };

    Kind kind = Kind::kRead;
    uint64_t offset = 0;
    uint64_t length = 0;          // of the iovecs together, or of the range
    std::vector<iovec> segments;  // host views of guest memory; empty but for kRead and kWrite
    uint64_t tag = 0;             // the submitter's
};

// Hears how jobs ended that did not end at once.
class DiskClient {
  public:
    virtual ~DiskClient() = default;
    // On the loop's thread, DeviceLock held. `error` is an errno value or 0.
    virtual void disk_completed(uint64_t tag, int error) = 0;
};

// Called under the DeviceLock.
class Disk {
  public:
    virtual ~Disk() = default;
    [[nodiscard]] virtual uint64_t capacity() const = 0;  // bytes, constant, a multiple of 512
    // Who hears completions; nullptr for nobody. Set before the first submit().
    virtual void set_client(DiskClient* client) = 0;
    // Starts a job. An errno value (0 for success) when it ended at once; nothing when the client
    // will be told.
    virtual std::optional<int> submit(DiskJob job) = 0;
    // Forgets what has not begun, waits for what has. No guest byte is touched and no completion
    // told after it returns.
    virtual void cancel_all() = 0;
};

}  // namespace anchorhold::virtio
