// SPDX-License-Identifier: Apache-2.0
/*
 * The first process of the guest, alone in its initramfs: loads the modules that stand in the way of the root disk,
 * mounts the disk and becomes the disk's own init. Everything it says goes to the console; when it cannot go on it
 * ends, and the kernel (panic=-1) with it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/module.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DISK "/dev/vda"
#define WAIT_MS_MAX 10000

static int fail(const char *what)
{
  printf("init: %s: %s\n", what, strerror(errno));
  return 1;
}

/* Kernels that have their modules compressed decompress them themselves. */
static int load_module(const char *path)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  const char *end = strrchr(path, '.');

  if (fd < 0) return -1;
  long done = syscall(SYS_finit_module, fd, "", end && !strcmp(end, ".ko") ? 0 : MODULE_INIT_COMPRESSED_FILE);
  close(fd);
  return done < 0 && errno != EEXIST ? -1 : 0;
}

static int is_module(const struct dirent *entry) { return strstr(entry->d_name, ".ko") != NULL; }

/* All of /modules, in the order of their names. */
static int load_modules(void)
{
  struct dirent **found;
  int count = scandir("/modules", &found, is_module, alphasort);

  for (int i = 0; i < count; i++) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "/modules/%s", found[i]->d_name);
    if (load_module(path)) return fail(path);
  }
  return 0;
}

/* A disk appears a moment after its driver. */
static int wait_for(const char *path)
{
  struct stat found;

  for (int ms = 0; ms < WAIT_MS_MAX; ms += 10) {
    if (!stat(path, &found)) return 0;
    usleep(10000);
  }
  return -1;
}

int main(void)
{
  setvbuf(stdout, NULL, _IONBF, 0);
  if (mount("dev", "/dev", "devtmpfs", MS_NOSUID, NULL) && errno != EBUSY) return fail("mount /dev");
  if (load_modules()) return 1;
  if (wait_for(DISK)) return fail(DISK);
  if (mount(DISK, "/root", "ext4", MS_NOATIME, NULL)) return fail("mount " DISK);
  if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL)) return fail("move /dev");
  if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) return fail("switch root");
  execl("/sbin/init", "/sbin/init", NULL);
  return fail("/sbin/init");
}
