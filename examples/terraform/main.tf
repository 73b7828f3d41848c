# Slipway's chart by Terraform: terraform init && terraform apply
terraform {
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = ">= 3.0"
    }
  }
}

provider "helm" {
  kubernetes = {
    config_path = "~/.kube/config"
  }
}

variable "registry" {
  type        = string
  description = "Where the cluster pulls the images from"
}

resource "helm_release" "slipway" {
  name             = "slipway"
  namespace        = "slipway"
  create_namespace = true
  chart            = "${path.module}/../../charts/slipway"
  # A release that does not become ready fails the apply, and is left to look at.
  wait    = true
  timeout = 300

  values = [
    file("${path.module}/../values.yaml"),
    yamlencode({
      image      = { registry = var.registry }
      agentImage = { registry = var.registry }
      queues = {
        gpu = {
          gpu         = { count = 1 }
          defaults    = { image = "python:3.12" }
          limits      = { maxRunning = 8 }
          podTemplate = {}
        }
      }
    }),
  ]
}
