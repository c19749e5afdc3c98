# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Generations, read: what was confirmed on this host, and the desired state of one of them. Changes nothing.

GENERATIONS=$R/var/lib/hactl/generations

show() { # WORD FILE: its length, then its bytes
    length=0
    [ ! -r "$2" ] || length=$(wc -c <"$2")
    say "$1" $((length))
    [ $((length)) = 0 ] || cat "$2"
}

attempted() { # the last one, whatever became of it
    line=$(tail -n 1 "$R/var/log/hactl.log" 2>/dev/null)
    line=${line#* generation=}
    line=${line%% *}
    case $line in '' | *[!0-9]*) line=0 ;; esac
    say attempt "$line"
}

set +f
for folder in "$GENERATIONS"/*; do
    set -f
    case ${folder##*/} in *[!0-9]*) continue ;; esac
    show "generation$US${folder##*/}" "$folder/about.gz"
done
set -f
attempted
while IFS= read -r wanted; do # the controller asks when it has heard all hosts
    case $wanted in '' | *[!0-9]*) break ;; esac
    show desired "$GENERATIONS/$wanted/desired.gz"
done
