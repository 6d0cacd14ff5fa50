{{/* What every object is called: the release, with the chart's name where that is not in it. */}}
{{- define "selfheal.name" -}}
{{- if contains "selfheal" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-selfheal" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels by which pods are selected; they can never change. */}}
{{- define "selfheal.selector" -}}
app.kubernetes.io/name: selfheal
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "selfheal.labels" -}}
{{ include "selfheal.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{- define "selfheal.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "selfheal.name" .) -}}
{{- else -}}
{{- required "serviceAccount.name must be given when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "selfheal.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* selfheal.yaml: what the operator says over what the chart says. */}}
{{- define "selfheal.config" -}}
{{- $tokens := list (dict "name" "operators" "role" "admin" "token" "${file:/run/secrets/selfheal/api-token}") -}}
{{- $own := dict
  "listen" "0.0.0.0:8400"
  "data" "/data"
  "intake" (dict "bearer_tokens" (list "${file:/run/secrets/selfheal/webhook-token}"))
  "api" (dict "tokens" $tokens)
  "policy" (dict "mode" .Values.mode)
-}}
{{- if .Values.rules -}}
{{- $_ := set $own "rules" "/etc/selfheal/rules" -}}
{{- end -}}
{{- toYaml (mergeOverwrite $own (deepCopy .Values.config)) -}}
{{- end -}}
