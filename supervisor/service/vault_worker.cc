// Descriptors 3 to 5, a key through a pipe, and the last word from standard error.
#include "supervisor/service/vault_worker.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/log.h"
#include "base/private_folder.h"
#include "base/sys.h"

namespace anchorhold::service {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kMaxWords = 1024;

}  // namespace

Result<std::unique_ptr<VaultWorker>> VaultWorker::start(
    EventLoop& loop, const supervisor::Installation& installation, VaultJob job,
    const std::string& key, std::function<void(const Status&)> done) {
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    sys::Pipe secret = ANCHORHOLD_TRY(sys::pipe());
    sys::Pipe words = ANCHORHOLD_TRY(sys::pipe());
    // A pipe holds it whole, so that nothing waits here.
    ANCHORHOLD_TRY(sys::write_all(secret.write_end.get(), std::string_view(key)));
    secret.write_end.reset();
    SpawnRequest request;
    request.path = installation.library + "/anchorhold-vault";
    request.arguments = {"anchorhold-vault",
                         job.direction == VaultJob::Direction::kEncrypt ? "encrypt" : "decrypt",
                         job.kind, job.sandbox, job.generation};
    request.descriptors = {{nothing.get(), 0},         {nothing.get(), 1},
                           {words.write_end.get(), 2}, {job.source.get(), 3},
                           {job.target.get(), 4},      {secret.read_end.get(), 5}};
    request.new_session = true;
    Child child = ANCHORHOLD_TRY(spawn(request));
    std::unique_ptr<VaultWorker> worker(
        new VaultWorker(loop, std::move(child), std::move(words.read_end), std::move(done)));
    ANCHORHOLD_TRY(loop.add(worker->child_.pidfd(), EPOLLIN,
                            [self = worker.get()](uint32_t) { self->ended(); }));
    return worker;
}

VaultWorker::~VaultWorker() {
    loop_.remove(child_.pidfd());
}

void VaultWorker::ended() {
    loop_.remove(child_.pidfd());
    const auto status = child_.wait();
    Status result;
    if (!status || status->code != 0 || status->signal != 0) {
        std::array<std::byte, kMaxWords> buffer{};
        const auto count = sys::read_some(words_.get(), buffer);
        const std::string_view text(reinterpret_cast<const char*>(buffer.data()),
                                    count ? count->value_or(0) : 0);
        result = fail(text.empty() ? "anchorhold-vault ended without a word"
                                   : log::escaped(text.substr(0, text.find('\n')), 300));
    }
    const auto done = std::move(done_);  // it may destroy this object
    done(result);
}

Result<std::string> hibernation_key(const std::string& folder) {
    ANCHORHOLD_TRY(make_private_folders(folder));
    const std::string path = folder + "/hibernation.key";
    if (const auto file = sys::open(path, O_RDONLY | O_NOFOLLOW)) {
        std::string key(kKeyBytes, '\0');
        const Status read =
            sys::read_exact_at(file->get(), std::as_writable_bytes(std::span(key)), 0, path);
        const auto size = sys::file_size(file->get(), path);
        if (!read || !size || *size != kKeyBytes) {
            return fail(path +
                        ": not a key of 32 bytes; sandboxes that were hibernated with it are lost");
        }
        return key;
    } else if (file.error().code != ENOENT) {
        return tl::unexpected(file.error());
    }
    std::string key(kKeyBytes, '\0');
    if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
        return fail_errno("getrandom");
    }
    const std::string beside = path + ".new";
    const OwnFd file =
        ANCHORHOLD_TRY(sys::open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
    ANCHORHOLD_TRY(sys::write_all(file.get(), std::string_view(key)));
    if (::fsync(file.get()) < 0 || ::rename(beside.c_str(), path.c_str()) < 0) {
        return fail_errno("write", path);
    }
    return key;
}

}  // namespace anchorhold::service
