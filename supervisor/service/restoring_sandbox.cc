// state -> memory -> a parked sandbox on its own disk.
#include "supervisor/service/restoring_sandbox.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

#include "base/sys.h"
#include "supervisor/image.h"
#include "supervisor/service/snapshot_folder.h"

namespace anchorhold::service {

Result<std::unique_ptr<LiveSandbox>> RestoringSandbox::start(const EngineContext& context,
                                                             const std::string& folder,
                                                             StartRequest request,
                                                             Handlers handlers) {
    std::unique_ptr<RestoringSandbox> made(
        new RestoringSandbox(context, folder, std::move(request), std::move(handlers)));
    RestoringSandbox* self = made.get();
    ANCHORHOLD_TRY(made->decrypt("state", kStateFile, 0, made->snapshot_.state, [self] {
        self->check(self->decrypt("memory", kMemoryFile, self->request_.spec.memory_bytes,
                                  self->snapshot_.memory,
                                  [self] { self->check(self->restore()); }));
    }));
    return made;
}

Status RestoringSandbox::decrypt(const char* kind, const char* file, uint64_t bytes, OwnFd& into,
                                 std::function<void()> then) {
    VaultJob job{VaultJob::Direction::kDecrypt,
                 kind,
                 request_.name,
                 snapshot_generation(folder_),
                 ANCHORHOLD_TRY(sys::open(folder_ + "/" + file, O_RDONLY | O_NOFOLLOW)),
                 ANCHORHOLD_TRY(sys::memfd("snapshot", 0, MFD_ALLOW_SEALING))};
    into = ANCHORHOLD_TRY(sys::dup_cloexec(job.target.get()));
    const std::string key = ANCHORHOLD_TRY(hibernation_key(context_.state_folder));
    const int target = into.get();
    vault_ = ANCHORHOLD_TRY(VaultWorker::start(
        context_.loop, context_.installation, std::move(job), key,
        [this, target, bytes, then = std::move(then)](const Status& decrypted) {
            context_.loop.post([self = self_, this, target, bytes, then, decrypted] {
                if (*self == nullptr) {
                    return;
                }
                vault_.reset();
                const auto size = sys::file_size(target, "snapshot");
                if (!decrypted) {
                    end(decrypted.error().message);
                } else if (bytes != 0 && (!size || *size != bytes)) {
                    end("its memory file is of another size than the sandbox");
                } else {
                    then();
                }
            });
        }));
    return {};
}

Status RestoringSandbox::restore() {
    supervisor::SnapshotFiles files;
    files.shape = supervisor::shape_of(request_.spec);
    files.image = context_.installation.image_path(request_.spec.image);
    files.image_file = ANCHORHOLD_TRY(supervisor::open_image(files.image));
    files.state = std::move(snapshot_.state);
    files.memory = std::move(snapshot_.memory);
    if (request_.spec.disk_bytes != 0) {
        // Its own, as it left it: never made anew here.
        request_.parts.disk =
            ANCHORHOLD_TRY(sys::open(request_.folder + "/disk", O_RDWR | O_NOFOLLOW));
    }
    request_.parts.set_up.reset();
    Handlers handlers;
    handlers.on_ready = [this] { handlers_.on_ready(); };
    handlers.on_end = [this](const std::string& error) { end(error); };
    real_ =
        std::make_unique<RealSandbox>(context_, request_.name, request_.spec, std::move(handlers));
    real_->set(ANCHORHOLD_TRY(
        supervisor::Sandbox::restore(context_.loop, context_.installation,
                                     {.start = supervisor::RestoreRequest::Start::kPark,
                                      .files = files,
                                      .identity = {},
                                      .shell = nullptr},
                                     std::move(request_.parts), real_->sandbox_handlers())));
    return {};
}

void RestoringSandbox::check(const Status& status) {
    if (!status) {
        real_.reset();
        end(status.error().message);
    }
}

void RestoringSandbox::destroy() {
    if (real_) {
        real_->destroy();
        return;
    }
    vault_.reset();
    context_.loop.post([self = self_] {
        if (*self != nullptr) {
            (*self)->end("");
        }
    });
}

void RestoringSandbox::end(const std::string& error) {
    const auto on_end = std::exchange(handlers_.on_end, nullptr);  // it may destroy this object
    if (on_end) {
        const std::string text = error;
        on_end(text);
    }
}

}  // namespace anchorhold::service
