// What a snapshot is made of, as open files: a template's, a hibernated sandbox's, a fork's.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "supervisor/memory_backend.h"
#include "supervisor/spec.h"

namespace anchorhold::supervisor {

// The machine that a snapshot is of; what a shell has to be prepared for.
struct MachineShape {
    uint32_t cpus = 1;
    uint64_t memory_bytes = 0;
    uint32_t disks = 1;  // the image, and the writable layer where there is one

    friend bool operator==(const MachineShape&, const MachineShape&) = default;
};

[[nodiscard]] inline MachineShape shape_of(const SandboxSpec& spec) {
    return {spec.cpus, spec.memory_bytes, spec.disk_bytes != 0 ? 2U : 1U};
}

// Borrowed by Sandbox::restore(), which gives the VMM descriptors of its own.
struct SnapshotFiles {
    MachineShape shape;
    std::string image;  // path, as it was when the snapshot was taken
    OwnFd image_file;   // read-only, shared by all
    OwnFd state;
    OwnFd memory;
    MemoryForm form = MemoryForm::kSparse;  // of `memory`
    OwnFd digests;      // snapshot/memory_digests.h; empty: the memory can only be mapped
    OwnFd working_set;  // may be empty
    OwnFd disk;         // the writable layer as it was; never written. Empty where there is none
};

}  // namespace anchorhold::supervisor
