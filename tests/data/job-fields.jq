# From the published API documents of several minors of Kubernetes (an object: minor to document) to one table: for each type
# that the types named by $roots reach, its required fields, and the kind of each field; with the minors in which that holds, where
# it does not hold in all of them.
def short: sub("^.*\\."; "");

def kind:
  if has("$ref") then .["$ref"] | short
  elif has("allOf") then .allOf[0] | kind
  elif .type == "array" then "[" + (.items | kind) + "]"
  elif .type == "object" and has("additionalProperties") then "{" + (.additionalProperties | kind) + "}"
  else .type // "any" end;

# Without an object's status, which nobody renders.
def rendered: del(.status | select(type == "object" and (has("$ref") or has("allOf"))));

# The types that can be reached.
def reached($all; $todo; $done):
  if $todo == [] then $done
  else $todo[0] as $type
  | ($all[$type].properties // {} | rendered) as $fields
  | ([$fields | .. | objects | .["$ref"]? // empty | sub("^#/components/schemas/"; "")] | unique) as $next
  | reached($all; $todo[1:] + ($next - ($done | keys) - $todo - [$type]); $done + {($type): $all[$type]})
  end;

def types:
  .components.schemas as $all
  | reached($all; $roots; {})
  | with_entries(select(.value.properties)
    | {key: (.key | short), value: {required: (.value.required // []), fields: (.value.properties | rendered | map_values(kind))}});

# The minors of pairs [minor, what], as spans; the bare text where it is the same in all.
def spans($minors):
  (group_by(.[1]) | map({what: .[0][1], minors: map(.[0])})) as $groups
  | if ($groups | length) == 1 and ($groups[0].minors | length) == ($minors | length) then $groups[0].what
    else [$groups[] | "\(.what) \(.minors[0])-\(.minors[-1])"] | sort end;

with_entries(.value |= types)
| . as $by
| ($by | keys | map(tonumber) | sort) as $minors
| {minors: $minors, types: (
    [$by[] | keys[]] | unique | map(. as $type | {key: $type, value: (
      [$minors[] as $m | $by["\($m)"][$type] | select(.) | {minor: $m, of: .}] as $in
      | {
        required: ([$in[] | .minor as $m | .of.required[] | {name: ., minor: $m}] | group_by(.name)
          | map({key: .[0].name, value: (map([.minor, "yes"]) | spans($minors))}) | from_entries),
        fields: ([$in[] | .minor as $m | .of.fields | to_entries[] | {name: .key, kind: .value, minor: $m}] | group_by(.name)
          | map({key: .[0].name, value: (map([.minor, .kind]) | spans($minors))}) | from_entries)
      })}) | from_entries)}
