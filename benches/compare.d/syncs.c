/* Preloaded into a program: counts how often it has the disk sync, and waits after each if told to, as a slower disk would.
 * SYNCS_FILE: where the count is written at the end. SYNC_DELAY_US: how long to wait. It changes nothing else. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static atomic_long syncs;
static long delay;

__attribute__((constructor)) static void begin(void) {
  const char *told = getenv("SYNC_DELAY_US");
  delay = told ? atol(told) : 0;
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("SYNCS_FILE");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  fprintf(file, "%ld\n", atomic_load(&syncs));
  fclose(file);
}

static int count(const char *name, int descriptor) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int result = real(descriptor);
  atomic_fetch_add(&syncs, 1);
  if (delay > 0) {
    struct timespec wait = {delay / 1000000, delay % 1000000 * 1000};
    nanosleep(&wait, NULL);
  }
  return result;
}

int fsync(int descriptor) { return count("fsync", descriptor); }
int fdatasync(int descriptor) { return count("fdatasync", descriptor); }
