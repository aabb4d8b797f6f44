# Debian's cron and crake side by side, in mounts, processes and a host name of their own.
# Arguments: crake, this directory, where the results go.
set -eu
crake=$1 here=$2 out=$3
mount --make-rprivate /
mkdir "$out/kept" && mount --bind "$out" /mnt
mount -t tmpfs none /run
mkdir -p /run/dev /run/cron.d /run/mail/cron /run/mail/crake && chmod 777 /run /run/mail/*
# Neither is to meet what is planned on this host.
for dir in /var/spool/cron /var/spool/mail; do mount -t tmpfs none $dir; done
mkdir /var/spool/cron/crontabs && chown root:crontab /var/spool/cron/crontabs && chmod 1730 /var/spool/cron/crontabs
mount --bind /run/cron.d /etc/cron.d
: > /run/empty && mount --bind /run/empty /etc/crontab
cp /mnt/environment /run/environment && cp /mnt/locale /run/locale
mount --bind /run/environment /etc/environment
mount --bind /run/locale /etc/default/locale
# A log of its own: /dev/log is what cron speaks to.
for device in null zero full random urandom tty; do : > /run/dev/$device; mount --bind /dev/$device /run/dev/$device; done
ln -s /proc/self/fd /run/dev/fd
mount --rbind /run/dev /dev
python3 -c '
import os, socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log"); os.chmod("/dev/log", 0o666)
file = open("/run/syslog", "ab", 0)
while True: file.write(log.recv(65536).rstrip(b"\0\n") + b"\n")
' &
hostname beside.example.org
# The mail program writes down what it gets: a directory for each of the two, by its own name.
cat > /run/sendmail.sh <<'PROGRAM'
#!/bin/bash
case $0 in *crake*) who=crake ;; *) who=cron ;; esac
file=$(mktemp /run/mail/$who/XXXXXX)
{
  tr '\0' '\n' < /proc/$$/cmdline | tail -n +3
  echo "-- $(id -u) $(id -g) $(id -G) $(umask) $PWD $(ls /proc/$$/fd | grep -c '^[0-2]$')"
  tr '\0' '\n' < /proc/$$/environ
  echo "-- letter"
  cat
} > $file 2>&1
mv $file $file.done
PROGRAM
chmod 755 /run/sendmail.sh
cp /run/sendmail.sh /run/crake-sendmail
mount --bind /run/sendmail.sh "$(readlink -f /usr/sbin/sendmail || echo /usr/sbin/sendmail)"
cp "$here/system.tab" /run/cron.d/beside
cp "$here/user.tab" /var/spool/cron/crontabs/root
chown root:crontab /var/spool/cron/crontabs/root && chmod 600 /var/spool/cron/crontabs/root
export CRAKE_HOME=/run/crake LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset CI CARGO_MANIFEST_DIR LD_LIBRARY_PATH || true
umask 022
# What the daemons are started with; pam_limits would set it for cron alone.
ulimit -n 1024
cd /
CRAKE_SENDMAIL=/run/crake-sendmail "$crake" daemon 2> /mnt/daemon.err &
daemon=$!
until [ -S /run/crake/crake.sock ]; do sleep 0.05; done
"$crake" import --run-now --dialect debian --json /etc/cron.d/beside > /mnt/import.system.json
"$crake" import --run-now --dialect debian --format root --json /var/spool/cron/crontabs/root > /mnt/import.user.json
# Not in the last seconds of a minute, where one of the two might miss it.
while [ $(( 10#$(date +%S) )) -ge 55 ]; do sleep 0.2; done
cron -f -L 15 2> /mnt/cron.err &
# Until both have had their minute: cron logs the end of each job, crake knows the outcome of each run.
jobs=$(cat "$here"/*.tab | grep -c '^\* ')
limit=$((SECONDS + 100))
ended() { grep -ac ' END (' /run/syslog || true; }
over() { "$crake" history --json | grep -o '"run":' | wc -l; }
until [ "$(ended)" -ge "$jobs" ] && [ "$(over)" -ge "$jobs" ] && [ -e /run/left. ] && [ -e /run/left.crake ]; do
  [ $SECONDS -lt $limit ] || { echo "too late: cron ended $(ended), crake $(over) of $jobs" >&2; break; }
  sleep 0.1
done
# Mail is owed no longer.
until [ "$(sqlite3 -readonly /run/crake/crake.db 'SELECT count(*) FROM mail')" = 0 ]; do
  [ $SECONDS -lt $limit ] || { echo "too late for the mail of crake" >&2; break; }
  sleep 0.1
done
"$crake" history --json > /mnt/history.json
"$crake" list --json > /mnt/list.json
"$crake" events --json > /mnt/events.json
cp -r /run/mail /run/syslog /mnt/
ls /run/left.* > /mnt/left
kill $daemon
wait $daemon || true
