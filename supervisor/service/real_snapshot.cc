// A sandbox's memory into memfds, and from there, encrypted, into files.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/sys.h"
#include "supervisor/service/real_sandbox.h"
#include "supervisor/service/snapshot_folder.h"

namespace anchorhold::service {

void RealSandbox::write_memory(OnSnapshot done) {
    const auto snapshot = std::make_shared<MemorySnapshot>();
    const auto prepare = [&]() -> Status {
        snapshot->state = ANCHORHOLD_TRY(sys::memfd("snapshot-state", 0));
        snapshot->memory =
            ANCHORHOLD_TRY(sys::memfd("snapshot-memory", spec_.memory_bytes, MFD_ALLOW_SEALING));
        return sandbox_->snapshot(snapshot->state.get(), snapshot->memory.get(),
                                  [snapshot, done](const Result<proto::VmmEvent>& written) {
                                      if (written) {
                                          done(snapshot);
                                      } else {
                                          done(tl::unexpected(written.error()));
                                      }
                                  });
    };
    if (const Status begun = prepare(); !begun) {
        post([done, error = begun.error()] { done(tl::unexpected(error)); });
    }
}

void RealSandbox::snapshot(const std::string& folder, Done done) {
    write_memory([this, folder, done](Result<std::shared_ptr<MemorySnapshot>> written) {
        if (!written) {
            done(tl::unexpected(written.error()));
            return;
        }
        // From the loop: the VMM's answer is on the stack.
        post([this, folder, done, snapshot = std::move(*written)] {
            encrypt(snapshot, folder, done);
        });
    });
}

void RealSandbox::encrypt(std::shared_ptr<MemorySnapshot> snapshot, std::string folder, Done done) {
    const auto prepare = [&]() -> Result<std::vector<VaultJob>> {
        if (::mkdir(folder.c_str(), 0700) < 0) {
            return fail_errno("mkdir", folder);
        }
        std::vector<VaultJob> jobs;
        const auto add = [&](const char* kind, const char* file, OwnFd source) -> Status {
            jobs.push_back(
                {VaultJob::Direction::kEncrypt, kind, name_, snapshot_generation(folder),
                 std::move(source),
                 ANCHORHOLD_TRY(sys::open(folder + "/" + file, O_RDWR | O_CREAT | O_EXCL, 0600))});
            return {};
        };
        ANCHORHOLD_TRY(add("state", kStateFile, std::move(snapshot->state)));
        ANCHORHOLD_TRY(add("memory", kMemoryFile, std::move(snapshot->memory)));
        return jobs;
    };
    auto jobs = prepare();
    if (!jobs) {
        answer(std::move(done), tl::unexpected(jobs.error()));
        return;
    }
    encrypt_next(std::move(*jobs), std::move(folder), std::move(done));
}

// One after the other; then everything is on the disk.
void RealSandbox::encrypt_next(std::vector<VaultJob> jobs, std::string folder, Done done) {
    if (jobs.empty()) {
        answer(std::move(done), sync_folder(folder));
        return;
    }
    const auto begin = [&]() -> Status {
        const std::string key = ANCHORHOLD_TRY(hibernation_key(context_.state_folder));
        VaultJob job = std::move(jobs.back());
        jobs.pop_back();
        const auto rest = std::make_shared<std::vector<VaultJob>>(std::move(jobs));
        vault_ = ANCHORHOLD_TRY(
            VaultWorker::start(loop_, context_.installation, std::move(job), key,
                               [this, rest, folder, done](const Status& encrypted) {
                                   post([this, rest, folder, done, encrypted] {
                                       vault_.reset();
                                       if (encrypted) {
                                           encrypt_next(std::move(*rest), folder, done);
                                       } else {
                                           done(encrypted);
                                       }
                                   });
                               }));
        return {};
    };
    if (const Status begun = begin(); !begun) {
        answer(std::move(done), begun);
    }
}

}  // namespace anchorhold::service
