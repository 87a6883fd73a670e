// `anchorhold serve` for tests: everything real but the VMM, which follows a script.
// Usage: serve_main FOLDER keep|stop
#include <csignal>
#include <cstdio>
#include <string>

#include "base/log.h"
#include "supervisor/service/no_windows.h"
#include "supervisor/service/sandbox_engine.h"
#include "supervisor/service/serve.h"

int main(int argc, char** argv) {
    using namespace anchorhold;  // NOLINT(google-build-using-namespace)
    if (argc != 3) {
        return 2;
    }
    const std::string folder = argv[1];
    std::signal(SIGPIPE, SIG_IGN);
    log::configure("serve", log::level_from_environment(log::Level::kError));
    supervisor::Installation installation;
    installation.library = KEEPER_FOLDER;
    installation.vmm = FAKE_VMM;
    installation.kvm = folder + "/kvm";
    installation.kernel = folder + "/vmlinux";
    installation.initrd = folder + "/init.cpio";
    installation.images = folder + "/images";
    service::ServeOptions options;
    options.socket = folder + "/run/socket";
    options.state_folder = folder + "/state";
    options.on_exit = std::string(argv[2]) == "stop" ? service::ServeOptions::OnExit::stop
                                                     : service::ServeOptions::OnExit::keep;
    options.keeper_patience_seconds = 120;  // a test that is killed leaves nothing for long
    options.version = "test";
    service::ServeMakers makers;
    makers.engine = [&](EventLoop& loop) {
        return std::make_unique<service::RealEngine>(
            loop, installation, options.state_folder,
            service::TemplateCache(supervisor::TemplateStore(options.state_folder + "/templates"),
                                   ""));
    };
    makers.windows = [](EventLoop&) -> Result<std::unique_ptr<service::Windows>> {
        return std::make_unique<service::NoWindows>();
    };
    const Status done = service::serve(installation, options, makers);
    if (!done) {
        std::fprintf(stderr, "%s\n", done.error().message.c_str());
        return 1;
    }
    return 0;
}
