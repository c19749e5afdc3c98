# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# History: print the generations of this host, and the desired state of a generation. Changes nothing.

GENERATIONS=$R/var/lib/hactl/generations

show() { # WORD FILE: print the word and the file's length, then its bytes
    length=0
    [ ! -r "$2" ] || length=$(wc -c <"$2")
    say "$1" $((length))
    [ $((length)) = 0 ] || cat "$2"
}

attempted() { # the number of the last run, confirmed or not
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
while IFS= read -r wanted; do # the controller asks after it has read all hosts
    case $wanted in '' | *[!0-9]*) break ;; esac
    show desired "$GENERATIONS/$wanted/desired.gz"
done
