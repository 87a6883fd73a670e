// Whoever boots a microVM in a comparison: ours and the others', driven alike.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "bench/private_memory.h"
#include "supervisor/timeline.h"

namespace anchorhold::bench {

// How a sandbox comes to be.
enum class StartKind : uint8_t {
    kCold,      // an image boots
    kRestored,  // a template is restored; nothing was prepared for it
    kShell,     // a template is restored into a VMM that waited for one
    kParked,    // a restored sandbox that stood still goes on
    kForked,    // one that runs is copied
};

// "cold", "restored", "shell", "parked", "forked": on the command line, in JSON and in keys of a
// baseline.
[[nodiscard]] std::string_view word(StartKind kind);
[[nodiscard]] std::optional<StartKind> start_kind(std::string_view word);

constexpr std::string_view kOurName = "anchorhold";

struct VariantDescription {
    std::string name;     // kOurName, "qemu"
    std::string version;  // what the program says of itself
    std::vector<std::string>
        command_line;           // as it is run; paths of descriptors as the program sees them
    std::string configuration;  // the text of its configuration file; empty where there is none
    StartKind start = StartKind::kCold;
};

// "anchorhold", or "anchorhold, restored" where it does not boot: what people read.
[[nodiscard]] std::string title(const VariantDescription& description);

// Belongs to its event loop's thread. One VM at a time: prepare -> start -> ready -> exec ->
// destroy -> ended, then start again. The destructor leaves no process and no file.
class Variant {
  public:
    struct Handlers {
        std::function<void()> on_ready;  // init has reported; exec streams can be opened
        // Once per start, the last of its events, from the loop; `error` is one line, empty after
        // destroy().
        std::function<void(const std::string& error)> on_end;
    };

    Variant() = default;
    virtual ~Variant() = default;
    Variant(const Variant&) = delete;
    Variant& operator=(const Variant&) = delete;

    [[nodiscard]] virtual const VariantDescription& description() const = 0;

    // Makes ready what the next start finds ready, before its clock begins. Runs the event loop,
    // for `patience` at most: ETIMEDOUT.
    virtual Status prepare(Duration /*patience*/) { return {}; }
    // Starts one; returns while the guest comes up. After an error nothing runs and no handler is
    // called.
    virtual Status start(Handlers handlers) = 0;
    // A stream to init's exec listener, for exec/client.h. Only when ready.
    virtual Result<OwnFd> open_exec_stream() = 0;
    // The command's milestones: the guest's TSC at its execve, and its first byte's arrival now.
    virtual void note_exec(uint64_t guest_tsc) = 0;
    virtual void note_first_byte() = 0;
    // Complete once the first byte is noted. Milestones that the VMM does not tell are 0.
    [[nodiscard]] virtual const supervisor::Timeline& timeline() const = 0;
    // The VMM's process, and how its guest's memory is told from its own. Only while it runs; 0:
    // none does.
    [[nodiscard]] virtual pid_t vmm_pid() const = 0;
    [[nodiscard]] virtual GuestMappings guest_mappings() const = 0;
    // Ends the VM at once; on_end follows.
    virtual void destroy() = 0;
};

}  // namespace anchorhold::bench
