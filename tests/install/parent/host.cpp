/* SPDX-License-Identifier: MIT */
/* Loads a module, calls it, unloads it, and lives on, twice: host MODULE. */
#include <chrono>
#include <cstdio>
#include <dlfcn.h>
#include <thread>

int main(int argc, char **argv)
{
    for (int time = 0; time < 2 && argc == 2; time++) {
        void *module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (!module) {
            std::fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        int (*run)() = reinterpret_cast<int (*)()>(dlsym(module, "plugin_run"));
        if (!run || run()) {
            std::fprintf(stderr, "plugin_run failed\n");
            return 1;
        }
        dlclose(module);
        /* OpenMP's idle threads have time to do harm. */
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return argc != 2;
}
